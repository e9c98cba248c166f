//! Why a network can't be quantised.

#[derive(Debug, thiserror::Error)]
pub enum QuantiseError {
    #[error(transparent)]
    Network(#[from] aecsad_inspect::network::NetworkError),
    #[error("{network}: this is no ONNX file ({source}); export it again")]
    NotOnnx {
        network: String,
        source: prost::DecodeError,
    },
    #[error(
        "{network}: its tensor `{tensor}` holds a value that is no number on a good image, so it has no range; train it again"
    )]
    NotFinite { network: String, tensor: String },
    #[error(
        "{network}: it is quantised already; start from the float network, fitted with --precision f32"
    )]
    Quantised { network: String },
    #[error("interrupted: run the same command again to go on from here")]
    Interrupted,
}

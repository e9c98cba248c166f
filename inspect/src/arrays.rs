//! Named arrays (means, covariances, quantiles) as one safetensors entry of a bundle.

use std::collections::BTreeMap;

use ndarray::{ArrayD, IxDyn};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

/// Why arrays can't be read or written.
#[derive(Debug, thiserror::Error)]
#[error("the arrays in `{name}` can't be read ({why}); export the bundle again")]
pub struct ArraysError {
    name: String,
    why: String,
}

/// One array, of one of the three element types that a bundle carries.
#[derive(Clone, Debug, PartialEq)]
pub enum Array {
    F32(ArrayD<f32>),
    F64(ArrayD<f64>),
    I32(ArrayD<i32>),
}

/// Arrays by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Arrays {
    by_name: BTreeMap<String, Array>,
}

/// An element type that a bundle can carry. Only types that both safetensors and [`Array`] have implement it.
pub trait Element: Copy {
    const DTYPE: Dtype;
    /// An array of any shape, with its element type named.
    fn wrap(array: ArrayD<Self>) -> Array;
    /// The array in its own shape; none if its elements are of another type.
    fn unwrap(array: &Array) -> Option<&ArrayD<Self>>;
    fn push_bytes(self, out: &mut Vec<u8>);
    /// Reads consecutive little-endian elements.
    fn read_all(bytes: &[u8]) -> Vec<Self>;
}

macro_rules! element {
    ($type:ty, $variant:ident) => {
        impl Element for $type {
            const DTYPE: Dtype = Dtype::$variant;

            fn wrap(array: ArrayD<Self>) -> Array {
                Array::$variant(array)
            }

            fn unwrap(array: &Array) -> Option<&ArrayD<Self>> {
                match array {
                    Array::$variant(array) => Some(array),
                    _ => None,
                }
            }

            fn push_bytes(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn read_all(bytes: &[u8]) -> Vec<Self> {
                let (elements, _) = bytes.as_chunks();
                elements.iter().map(|b| Self::from_le_bytes(*b)).collect()
            }
        }
    };
}

element!(f32, F32);
element!(f64, F64);
element!(i32, I32);

impl Arrays {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an array of any shape, replacing one of the same name.
    pub fn insert<T: Element, D: ndarray::Dimension>(
        &mut self,
        name: impl Into<String>,
        array: ndarray::Array<T, D>,
    ) {
        self.by_name.insert(name.into(), T::wrap(array.into_dyn()));
    }

    /// The array of this name in its own shape, if it is there and of this element type.
    pub fn get<T: Element>(&self, name: &str) -> Option<&ArrayD<T>> {
        self.by_name.get(name).and_then(T::unwrap)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// The arrays as a safetensors file; the same arrays give the same bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ArraysError> {
        let stored: Vec<(&str, Dtype, &[usize], Vec<u8>)> = self
            .by_name
            .iter()
            .map(|(name, array)| match array {
                Array::F32(a) => (name.as_str(), Dtype::F32, a.shape(), bytes_of(a)),
                Array::F64(a) => (name.as_str(), Dtype::F64, a.shape(), bytes_of(a)),
                Array::I32(a) => (name.as_str(), Dtype::I32, a.shape(), bytes_of(a)),
            })
            .collect();
        let views = stored
            .iter()
            .map(|(name, dtype, shape, bytes)| {
                TensorView::new(*dtype, shape.to_vec(), bytes).map(|view| (*name, view))
            })
            .collect::<Result<Vec<_>, _>>();
        views
            .and_then(|views| safetensors::serialize(views, None))
            .map_err(|e| unreadable("arrays to be written", e))
    }

    /// Reads a safetensors file; `name` is the entry's, for messages.
    pub fn from_bytes(bytes: &[u8], name: &str) -> Result<Arrays, ArraysError> {
        let tensors = SafeTensors::deserialize(bytes).map_err(|e| unreadable(name, e))?;
        let mut arrays = Arrays::new();
        for (key, view) in tensors.iter() {
            let array = match view.dtype() {
                Dtype::F32 => read::<f32>(&view),
                Dtype::F64 => read::<f64>(&view),
                Dtype::I32 => read::<i32>(&view),
                other => Err(format!("`{key}` has element type {other}")),
            };
            let array = array.map_err(|e| unreadable(name, e))?;
            arrays.by_name.insert(key.to_owned(), array);
        }
        Ok(arrays)
    }
}

fn bytes_of<T: Element>(array: &ArrayD<T>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size_of::<T>() * array.len());
    array.iter().for_each(|x| x.push_bytes(&mut bytes));
    bytes
}

fn read<T: Element>(view: &TensorView) -> Result<Array, String> {
    ArrayD::from_shape_vec(IxDyn(view.shape()), T::read_all(view.data()))
        .map(T::wrap)
        .map_err(|e| e.to_string())
}

fn unreadable(name: &str, why: impl std::fmt::Display) -> ArraysError {
    ArraysError {
        name: name.into(),
        why: why.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{arr0, array};

    fn sample() -> Arrays {
        let mut arrays = Arrays::new();
        arrays.insert("mean", array![[1.0f32, -2.5], [f32::MIN_POSITIVE, 4.0]]);
        arrays.insert("covariance", array![1e-300f64, f64::MAX]);
        arrays.insert("counts", array![[[i32::MIN], [7]]]);
        arrays.insert("scale", arr0(3.0f32));
        arrays
    }

    #[test]
    fn what_is_written_is_read_again() {
        let bytes = sample().to_bytes().unwrap();
        assert_eq!(Arrays::from_bytes(&bytes, "stats").unwrap(), sample());
        assert_eq!(sample().to_bytes().unwrap(), bytes);
    }

    #[test]
    fn a_transposed_view_is_stored_by_index_not_by_memory() {
        let mut arrays = Arrays::new();
        arrays.insert("t", array![[1i32, 2, 3], [4, 5, 6]].reversed_axes());
        let read = Arrays::from_bytes(&arrays.to_bytes().unwrap(), "t").unwrap();
        let t = read.get::<i32>("t").unwrap();
        assert_eq!((t.shape(), t[[2, 1]], t[[0, 1]]), (&[3, 2][..], 6, 4));
    }

    #[test]
    fn the_wrong_type_or_name_is_none() {
        let arrays = sample();
        assert!(arrays.get::<f64>("mean").is_none());
        assert!(arrays.get::<f32>("median").is_none());
    }

    #[test]
    fn damaged_files_are_errors() {
        let bytes = sample().to_bytes().unwrap();
        for cut in 0..bytes.len() {
            assert!(Arrays::from_bytes(&bytes[..cut], "stats").is_err(), "{cut}");
        }
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            // The manifest's hash detects damage in the numbers themselves.
            let _ = Arrays::from_bytes(&flipped, "stats");
        }
    }
}

//! TensorRT as an engine: a plugin, compiled on the device, has NVIDIA's library compile each network into a plan and run
//! it. The runtime links none of NVIDIA's libraries; without the plugin, the library or a GPU there is only a reason.

mod cache;
mod execution;
mod plan;
mod plugin;
mod progress;

use std::path::{Path, PathBuf};
use std::time::Instant;

use aecsad_program::sha256::hex_sha256;
use aecsad_program::standard_streams::note;
use prost::Message;
use tract_onnx::pb::ModelProto;

use crate::admission;
use crate::network::{Engine, Network, NetworkError, Precision, Rounding};
use cache::PlanCache;
use execution::PlanExecution;
use plan::Plan;
use plugin::{Device, Plugin};

/// Where the plugin is installed.
pub const PLUGIN: &str = "/usr/local/lib/aecsad/libaecsad_tensorrt.so";
/// The environment variable that names another place.
pub const PLUGIN_VARIABLE: &str = "AECSAD_TENSORRT_PLUGIN";

/// Why TensorRT can't be used on this machine.
#[derive(Debug, thiserror::Error)]
pub enum TensorRtError {
    #[error(
        "its plugin {} can't be opened ({why}): compile it on this device with plugins/tensorrt/build.sh",
        path.display()
    )]
    Plugin { path: PathBuf, why: String },
    #[error(
        "its plugin {} speaks version {found} of the interface and this program {expected}: compile it again with \
         plugins/tensorrt/build.sh",
        path.display()
    )]
    Interface {
        path: PathBuf,
        found: i32,
        expected: i32,
    },
    #[error("{why}")]
    Device { why: String },
}

/// How networks are compiled, and where the plans are kept.
#[derive(Clone, Debug)]
pub struct TensorRtSettings {
    /// The folder of the plans, which must be there.
    pub plans: PathBuf,
    /// Whether layers that are not quantised may compute in FP16.
    pub half: bool,
}

/// The first GPU, through TensorRT.
pub struct TensorRt {
    plugin: &'static Plugin,
    name: String,
    cache: PlanCache,
    half: bool,
}

impl TensorRt {
    /// Opens the plugin, NVIDIA's libraries and the GPU.
    pub fn open(settings: &TensorRtSettings) -> Result<Self, TensorRtError> {
        let path = std::env::var_os(PLUGIN_VARIABLE).map_or_else(|| PLUGIN.into(), PathBuf::from);
        Self::open_plugin(&path, settings)
    }

    fn open_plugin(path: &Path, settings: &TensorRtSettings) -> Result<Self, TensorRtError> {
        let plugin = Plugin::open(path)?;
        let device = plugin
            .device()
            .map_err(|why| TensorRtError::Device { why })?;
        Ok(TensorRt {
            plugin,
            name: device.to_string(),
            cache: PlanCache::new(&settings.plans, &device.key()),
            half: settings.half,
        })
    }

    /// The plan's key beside the device's: the same network may be compiled for several sizes and in several types.
    fn key(&self, onnx: &[u8], shape: Option<&[usize]>) -> String {
        let network = hex_sha256(onnx);
        let half = self.half;
        hex_sha256(format!("{network} {shape:?} half {half}").as_bytes())
    }

    fn build(
        &self,
        name: &str,
        onnx: &[u8],
        shape: Option<&[usize]>,
    ) -> Result<Plan, NetworkError> {
        let refused = |why: String| NetworkError::Load {
            name: name.to_owned(),
            why,
        };
        let file = admission::read(onnx, shape).map_err(|why| refused(format!("{why:#}")))?;
        let changed = shape.map(|_| file.encode_to_vec());
        let mut plan = self.plan_of(&file).map_err(refused)?;
        let mut floats = file;
        crate::kernels::int8::take_weights(&mut floats);
        admission::typed(&floats).map_err(|why| refused(format!("{why:#}")))?;
        note(format_args!(
            "{name}: {} compiles it, which takes minutes, once",
            self.name
        ));
        let start = Instant::now();
        let built = self
            .plugin
            .build(changed.as_deref().unwrap_or(onnx), self.half);
        plan.bytes = built.map_err(|why| NetworkError::Engine {
            name: name.to_owned(),
            why,
        })?;
        note(format_args!(
            "{name}: compiled in {:.0} s",
            start.elapsed().as_secs_f64()
        ));
        Ok(plan)
    }

    /// A plan for this file, without its bytes.
    fn plan_of(&self, file: &ModelProto) -> Result<Plan, String> {
        let graph = file.graph.as_ref().ok_or("it has no graph")?;
        let constants: Vec<&str> = graph.initializer.iter().map(|t| t.name.as_str()).collect();
        let inputs = graph.input.iter().map(|input| input.name.clone());
        let quantised = graph.node.iter().any(|n| n.op_type == "QuantizeLinear");
        Ok(Plan {
            inputs: inputs
                .filter(|name| !constants.contains(&name.as_str()))
                .collect(),
            outputs: graph.output.iter().map(|o| o.name.clone()).collect(),
            precision: match (quantised, self.half) {
                (true, _) => Precision::Int8,
                (false, true) => Precision::F16,
                (false, false) => Precision::F32,
            },
            bytes: Vec::new(),
        })
    }
}

impl Engine for TensorRt {
    fn name(&self) -> &str {
        &self.name
    }

    fn rounding(&self) -> Rounding {
        Rounding::TensorRt
    }

    /// A plan that the cache has is used; one that does not load is compiled once more.
    fn load(
        &self,
        name: &str,
        onnx: &[u8],
        shape: Option<&[usize]>,
    ) -> Result<Network, NetworkError> {
        let unusable = |why: String| NetworkError::Engine {
            name: name.to_owned(),
            why,
        };
        let key = self.key(onnx, shape);
        let kept = self.cache.read(&key).and_then(|plan| {
            let load = |plan: Plan| PlanExecution::load(self.plugin, &plan);
            plan.map(load).transpose()
        });
        match kept {
            Ok(Some(execution)) => return Ok(Network::new(name, Box::new(execution))),
            Ok(None) => {}
            Err(why) => note(format_args!(
                "{name}: its plan can't be used ({why}), so it is compiled again"
            )),
        }
        let plan = self.build(name, onnx, shape)?;
        let execution = PlanExecution::load(self.plugin, &plan).map_err(&unusable)?;
        self.cache.write(&key, &plan).map_err(|error| {
            unusable(format!(
                "its plan can't be kept in {} ({error}): give this user write permission there, or free space",
                self.cache.folder().display()
            ))
        })?;
        Ok(Network::new(name, Box::new(execution)))
    }
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Device { tensorrt, gpu, .. } = self;
        write!(f, "TensorRT {tensorrt} on {gpu}")
    }
}

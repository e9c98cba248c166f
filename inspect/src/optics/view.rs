//! One view of a frame: its pixels at one size, and their tensor.

use fast_image_resize::images::{Image, TypedCroppedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use super::ignored::IgnoredFill;
use super::{Exposure, InputGeometry, OpticsError, Region, TrainedRegion};
use crate::frame::{Frame, Size};

/// The buffers of one view.
pub(super) struct ViewBuffers {
    size: Size,
    /// Interleaved RGB.
    pixels: Image<'static>,
    tensor: Vec<f32>,
    /// Over what is ignored.
    fill: Option<IgnoredFill>,
}

impl ViewBuffers {
    /// `trained` says what is ignored.
    pub fn new(size: Size, trained: Option<&TrainedRegion>) -> Self {
        let ignored = trained.and_then(|trained| Some((trained.ignored.as_ref()?, trained.area)));
        ViewBuffers {
            size,
            pixels: Image::new(size.width, size.height, PixelType::U8x3),
            tensor: vec![0.0; size.pixels() * 3],
            fill: ignored.map(|(ignored, area)| IgnoredFill::new(ignored, area.size(), size)),
        }
    }

    /// The pixels as a frame of its own.
    pub fn frame(&self) -> Frame {
        let mut frame = Frame::empty();
        self.copy_to(&mut frame);
        frame
    }

    /// Copies the pixels into a frame, whose buffer is used again.
    pub fn copy_to(&self, frame: &mut Frame) {
        (frame.width, frame.height) = (self.size.width, self.size.height);
        frame.rgb.clear();
        frame.rgb.extend_from_slice(self.pixels.buffer());
    }

    pub fn exposure(&self) -> Exposure {
        Exposure::of(self.pixels.buffer())
    }

    /// The pixels as `[3, height, width]`, each channel `(x / 255 − mean) / std`. `curve` says what each value becomes first;
    /// it stays as it is if none.
    pub fn normalised(&mut self, geometry: &InputGeometry, curve: Option<&[f32; 256]>) -> &[f32] {
        match curve {
            Some(curve) => self.normalise(geometry, |value| curve[usize::from(value)]),
            None => self.normalise(geometry, f32::from),
        }
        &self.tensor
    }

    fn normalise(&mut self, geometry: &InputGeometry, seen: impl Fn(u8) -> f32) {
        let pixels = self.pixels.buffer();
        let plane = pixels.len() / 3;
        let (mean, std) = (geometry.mean, geometry.std);
        let scale: [f32; 3] = std::array::from_fn(|c| 1.0 / (255.0 * std[c]));
        let offset: [f32; 3] = std::array::from_fn(|c| mean[c] / std[c]);
        let (red, rest) = self.tensor.split_at_mut(plane);
        let (green, blue) = rest.split_at_mut(plane);
        for (i, rgb) in pixels.chunks_exact(3).enumerate() {
            red[i] = seen(rgb[0]) * scale[0] - offset[0];
            green[i] = seen(rgb[1]) * scale[1] - offset[1];
            blue[i] = seen(rgb[2]) * scale[2] - offset[2];
        }
    }

    /// Takes the pixels from another view, which must not be empty.
    pub fn reduce(&mut self, from: &ViewBuffers, resizer: &mut Resizer) -> Result<(), OpticsError> {
        let Size { width, height } = from.size;
        let source = typed(width, height, from.pixels.buffer())?;
        resize(&source, &mut self.pixels, resizer)?;
        self.cover();
        Ok(())
    }

    fn cover(&mut self) {
        if let Some(fill) = &self.fill {
            fill.cover(self.pixels.buffer_mut());
        }
    }

    /// Takes the pixels of a frame's `region`, which lies inside it; of all of it without one.
    pub fn resize(
        &mut self,
        frame: &Frame,
        region: Option<Region>,
        mono: bool,
        resizer: &mut Resizer,
    ) -> Result<(), OpticsError> {
        let (width, height) = (frame.width, frame.height);
        let source = typed(width, height, &frame.rgb)?;
        match region {
            None => resize(&source, &mut self.pixels, resizer)?,
            Some(r) => {
                // The options' own crop would let pixels beyond the region's edge weigh in.
                let seen = TypedCroppedImage::from_ref(&source, r.left, r.top, r.width, r.height)
                    .map_err(|_| OpticsError::RegionOutside(r, width, height))?;
                resize(&seen, &mut self.pixels, resizer)?;
            }
        }
        if mono {
            for rgb in self.pixels.buffer_mut().chunks_exact_mut(3) {
                // ITU-R BT.601 luma, in 8-bit fixed point
                let luma = (77 * rgb[0] as u32 + 150 * rgb[1] as u32 + 29 * rgb[2] as u32) >> 8;
                rgb.fill(luma as u8);
            }
        }
        self.cover();
        Ok(())
    }
}

/// Typed, or the program carries resizers for thirteen kinds of pixels.
fn typed(width: u32, height: u32, rgb: &[u8]) -> Result<TypedImageRef<'_, U8x3>, OpticsError> {
    let broken = || OpticsError::FrameSize {
        width,
        height,
        bytes: rgb.len(),
    };
    if rgb.len() as u64 != width as u64 * height as u64 * 3 || rgb.is_empty() {
        return Err(broken());
    }
    TypedImageRef::from_buffer(width, height, rgb).map_err(|_| broken())
}

fn resize(
    source: &impl fast_image_resize::ImageView<Pixel = U8x3>,
    target: &mut Image<'static>,
    resizer: &mut Resizer,
) -> Result<(), OpticsError> {
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    let mut target = target
        .typed_image_mut::<U8x3>()
        .ok_or_else(|| OpticsError::Resize("it has other pixels".into()))?;
    let resized = resizer.resize_typed(source, &mut target, &options);
    resized.map_err(|e| OpticsError::Resize(e.to_string()))
}

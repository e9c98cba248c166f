//! Divides the images by how reliable their labels are.

use ndarray::Array2;

use super::Labels;

/// Images of D_L with their masks, and those of D_U, each in its order.
pub struct Divided<T> {
    pub labelled: Vec<T>,
    /// One an image of D_L, `[64, 64]`.
    pub masks: Vec<Array2<u8>>,
    pub unlabelled: Vec<T>,
}

impl Labels {
    /// The labelled images themselves, or anything else with one item for each of them, divided.
    pub fn divide<T>(&self, images: impl IntoIterator<Item = T>) -> Divided<T> {
        let mut divided = Divided {
            labelled: Vec::new(),
            masks: Vec::new(),
            unlabelled: Vec::new(),
        };
        for (index, image) in images.into_iter().enumerate() {
            if self.reliability[index].labelled {
                divided.labelled.push(image);
                divided.masks.push(self.maps[index].clone());
            } else {
                divided.unlabelled.push(image);
            }
        }
        divided
    }
}

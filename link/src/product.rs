//! A product's name in a message: text of bounded length, without a heap.

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest name on the link, in bytes of UTF-8.
pub const MAX_PRODUCT: usize = 64;

#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ProductName {
    /// The name, padded with zeros.
    bytes: [u8; MAX_PRODUCT],
    length: u8,
}

impl ProductName {
    /// `None` if it is longer than [`MAX_PRODUCT`].
    pub fn new(name: &str) -> Option<Self> {
        let mut bytes = [0; MAX_PRODUCT];
        bytes
            .get_mut(..name.len())?
            .copy_from_slice(name.as_bytes());
        let length = name.len() as u8;
        Some(ProductName { bytes, length })
    }

    pub fn name(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.length));
        bytes
            .and_then(|bytes| core::str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }
}

impl core::fmt::Debug for ProductName {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.name().fmt(f)
    }
}

impl Serialize for ProductName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for ProductName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;

        impl Visitor<'_> for Name {
            type Value = ProductName;

            fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, "a name of at most {MAX_PRODUCT} bytes")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<ProductName, E> {
                ProductName::new(name).ok_or_else(|| E::invalid_length(name.len(), &self))
            }
        }
        deserializer.deserialize_str(Name)
    }
}

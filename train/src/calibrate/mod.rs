//! Statistics of good parts and what they say of a new one.

mod position;

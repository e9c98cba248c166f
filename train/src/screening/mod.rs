//! Which of the images that a person calls good can be learnt from: not those that show nothing, a part that another
//! image shows already, or something that lies far off all others. A threshold that rests on such images says nothing.

mod duplicates;
mod neighbours;
mod sheet;

pub use duplicates::first_of_each_part;
pub use neighbours::distances;
pub use sheet::{Shown, write as write_sheet};

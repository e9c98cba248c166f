//! The product that the line's controller selects, by a message on the reject link, or by a file in the slots' folder
//! where the controller can write a file but not run a command.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use aecsad_program::inputs;
use aecsad_program::text_file::{self, TextError};

use super::Message;
use crate::reject::ProductName;
use crate::slots::{SlotAlarm, Slots, SlotsError};

/// A file of this name in the slots' folder, with a product's name in it, selects that product and is removed.
pub const SELECT_NAME: &str = "select";
const MAX_SELECT_BYTES: u64 = 1024;

/// The controller's latest request on the reject link, until it is taken.
#[derive(Clone, Default)]
pub struct SelectionRequest(Arc<Mutex<Option<ProductName>>>);

impl SelectionRequest {
    pub fn set(&self, product: ProductName) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(product);
    }

    fn take(&self) -> Option<ProductName> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

pub(super) struct ProductSelection {
    folder: PathBuf,
    pub request: SelectionRequest,
    /// The latest alarm, so that a controller that repeats its request is reported once.
    refused: Option<String>,
    /// The file was applied, but can't be removed.
    stuck: bool,
}

impl ProductSelection {
    pub fn of(folder: &Path) -> Self {
        ProductSelection {
            folder: folder.into(),
            request: SelectionRequest::default(),
            refused: None,
            stuck: false,
        }
    }

    /// A request that can't be applied now is tried again at the next call.
    pub fn apply(&mut self, report: &mut dyn FnMut(Message)) {
        self.apply_file(report);
        if let Some(product) = self.request.take()
            && !self.select(product.name(), report)
        {
            self.request.set(product);
        }
    }

    fn apply_file(&mut self, report: &mut dyn FnMut(Message)) {
        let path = self.folder.join(SELECT_NAME);
        let file = match inputs::open(&path) {
            Ok(file) => file,
            Err(error) => {
                self.stuck = false;
                if error.kind() != ErrorKind::NotFound {
                    let alarm = SlotAlarm::SelectUnread { path, error };
                    self.refuse(alarm.to_string(), report);
                }
                return;
            }
        };
        if !self.stuck {
            let mut bytes = Vec::new();
            let read = file.take(MAX_SELECT_BYTES).read_to_end(&mut bytes);
            let text = read.map_err(TextError::from);
            let settled = match text.and_then(|_| text_file::decode(&bytes)) {
                // The file is still being written.
                Ok(product) if product.trim().is_empty() => false,
                Ok(product) => self.select(product.trim(), report),
                Err(error) => {
                    let alarm = SlotAlarm::SelectNotText {
                        path: path.clone(),
                        error: error.to_string(),
                    };
                    self.refuse(alarm.to_string(), report);
                    true
                }
            };
            if !settled {
                return;
            }
        }
        if let Err(error) = std::fs::remove_file(&path)
            && !std::mem::replace(&mut self.stuck, true)
        {
            let alarm = SlotAlarm::SelectStays { path, error };
            report(Message::Alarm(alarm.to_string()));
        }
    }

    /// Returns whether the request was applied or refused; false while another program changes the slots.
    fn select(&mut self, product: &str, report: &mut dyn FnMut(Message)) -> bool {
        // It will stand in a sentence on a terminal.
        let product = product.replace(char::is_control, "");
        let state = Slots::look(&self.folder).and_then(|slots| slots.state());
        if state.is_ok_and(|state| state.active.as_ref() == Some(&product)) {
            self.refused = None;
            return true;
        }
        match Slots::lock(&self.folder).and_then(|slots| slots.select(&product)) {
            Ok(()) => {
                self.refused = None;
                report(Message::Notice(format!("{product} selected")));
            }
            Err(SlotsError::Busy { .. }) => return false,
            Err(error) => self.refuse(error.to_string(), report),
        }
        true
    }

    fn refuse(&mut self, why: String, report: &mut dyn FnMut(Message)) {
        if self.refused.as_ref() != Some(&why) {
            report(Message::Alarm(why.clone()));
            self.refused = Some(why);
        }
    }
}

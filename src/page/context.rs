//! What all requests share.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;

use super::answer::Refusal;
use super::live::Live;
use super::login_limiter::LoginLimiter;
use crate::monitor::Metrics;
use crate::operator::OperatorRecords;
use crate::station::Message;
use crate::station::config::StationConfig;

/// Why an operator acts: the body of some actions.
#[derive(Deserialize)]
pub struct Reason {
    #[serde(default)]
    pub reason: String,
}

/// Where the page gets what it shows, and where its messages go.
pub struct Context {
    /// The address that it listens on.
    pub address: SocketAddr,
    pub config: StationConfig,
    /// The station file.
    pub station_file: PathBuf,
    pub live: Live,
    pub metrics: Arc<Metrics>,
    /// To the line's log: what a person did.
    pub messages: Mutex<Sender<Message>>,
    pub logins: LoginLimiter,
    operators: Mutex<Option<OperatorRecords>>,
}

impl Context {
    pub fn new(
        address: SocketAddr,
        config: StationConfig,
        station_file: PathBuf,
        live: Live,
        metrics: Arc<Metrics>,
        messages: Sender<Message>,
    ) -> Self {
        Context {
            address,
            config,
            station_file,
            live,
            metrics,
            messages: Mutex::new(messages),
            logins: LoginLimiter::default(),
            operators: Mutex::default(),
        }
    }

    /// The journal's folder.
    pub fn journal(&self) -> Result<PathBuf, Refusal> {
        let journal = self.config.journal.as_ref();
        let path = journal.map(|journal| journal.path.clone());
        path.ok_or_else(|| {
            Refusal::not_found(
                "this station keeps no journal: add a section `journal` to the station file",
            )
        })
    }

    /// Reads the records of users and actions, if there are any.
    pub fn read_operators<T>(
        &self,
        read: impl FnOnce(&OperatorRecords) -> Result<T, Refusal>,
    ) -> Result<Option<T>, Refusal> {
        let Ok(folder) = self.journal() else {
            return Ok(None);
        };
        let mut records = self.lock();
        if records.is_none() {
            *records = OperatorRecords::open_existing(&folder)?;
        }
        records.as_ref().map(read).transpose()
    }

    /// The records of users and actions on a connection of their own, for what takes longer than a query: other requests
    /// wait for the shared one.
    pub fn own_operators(&self) -> Result<Option<OperatorRecords>, Refusal> {
        match self.journal() {
            Ok(folder) => Ok(OperatorRecords::open_existing(&folder)?),
            Err(_) => Ok(None),
        }
    }

    /// Opens the records of users and actions, or starts them, to write there.
    pub fn write_operators<T>(
        &self,
        write: impl FnOnce(&OperatorRecords) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let folder = self.journal()?;
        let mut records = self.lock();
        let opened = match records.take() {
            Some(opened) => opened,
            None => OperatorRecords::open(&folder)?,
        };
        write(records.insert(opened))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<OperatorRecords>> {
        self.operators
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a notice to the line's log.
    pub fn say(&self, sentence: String) {
        let messages = self.messages.lock();
        let messages = messages.unwrap_or_else(PoisonError::into_inner);
        // A line that has ended reads no more.
        let _ = messages.send(Message::Notice(sentence));
    }
}

//! Flashes a bundle: receives it, checks it, proves it on this machine, and puts it on trial.

use std::io::{self, BufWriter, Read, Write};

use aecsad_inspect::bundle::{Bundle, Trust};

use super::state::{Installed, SlotCondition, SlotName};
use super::storage::Storage;
use super::{Slots, SlotsError, file_name, now};

/// The file of a bundle that is being received. A start never reads it.
const INCOMING: &str = "incoming.new";

/// The settings of a flash.
pub struct FlashRequest<'a> {
    pub trust: &'a Trust,
    /// Accept a version below the floor, and record it.
    pub allow_downgrade: bool,
    /// Accept a product that the station doesn't have yet.
    pub add_product: bool,
}

/// The result of a flash.
#[derive(Debug)]
pub struct Flashed {
    pub product: String,
    pub version: u64,
    pub slot: SlotName,
    /// Whether the bundle's product is the active one.
    pub active: bool,
    /// The version that the station goes back to if the trial fails.
    pub fallback: Option<u64>,
    /// The version is below the floor, and was accepted.
    pub downgrade: bool,
    /// The same file was already installed and proven, so nothing was changed.
    pub unchanged: bool,
}

impl<S: Storage> Slots<S> {
    /// Installs a bundle. `prove` must show that it runs here and gives the expected scores; before that nothing in the
    /// slots is changed. `name` stands for the input in messages.
    pub fn flash(
        &self,
        input: impl Read,
        name: &str,
        request: &FlashRequest<'_>,
        prove: &mut dyn FnMut(&Bundle) -> Result<(), SlotsError>,
    ) -> Result<Flashed, SlotsError> {
        let done = self.try_flash(input, name, request, prove);
        if done.is_err() {
            // If this fails too, the next flash removes the file.
            let _ = self.storage.remove(INCOMING);
        }
        done
    }

    fn try_flash(
        &self,
        input: impl Read,
        name: &str,
        request: &FlashRequest<'_>,
        prove: &mut dyn FnMut(&Bundle) -> Result<(), SlotsError>,
    ) -> Result<Flashed, SlotsError> {
        let mut state = self.settled()?;
        self.tidy(&state);
        let received = self.receive(input, name, request.trust)?;
        let (product, version) = (received.manifest.product.clone(), received.manifest.version);
        let sha256 = received.sha256().to_owned();
        drop(received);

        let known = state.product(&product);
        if known.is_none() && !state.products.is_empty() && !request.add_product {
            return Err(SlotsError::OtherProduct {
                product,
                installed: state.product_names(),
            });
        }
        let floor = known.map_or(0, |known| known.floor);
        let downgrade = version < floor;
        if downgrade && !request.allow_downgrade {
            return Err(SlotsError::Older {
                product,
                version,
                floor,
            });
        }

        // The bundle is checked as it is on the disk, not as it was received.
        let stored = self.storage.read(INCOMING).map_err(SlotsError::Storage)?;
        let bundle = Bundle::from_reader(stored, name, request.trust)?;
        prove(&bundle)?;
        let good = known.and_then(|known| known.slot(known.good?));
        let unchanged = good.is_some_and(|good| {
            good.sha256 == sha256 && good.condition == SlotCondition::Confirmed
        }) && known.is_some_and(|known| known.trial.is_none());
        let fallback = good.map(|good| good.version);
        self.storage
            .rename(INCOMING, &file_name(&sha256))
            .and_then(|()| self.storage.sync_folder())
            .map_err(SlotsError::Storage)?;
        let mut flashed = Flashed {
            active: state.active.as_ref().is_none_or(|a| *a == product),
            product,
            version,
            slot: SlotName::A,
            fallback,
            downgrade,
            unchanged,
        };
        let product = &flashed.product;
        if unchanged {
            flashed.slot = state
                .product(product)
                .and_then(|p| p.good)
                .unwrap_or(SlotName::A);
            return Ok(flashed);
        }
        flashed.slot = state.install(
            product,
            Installed {
                version,
                sha256,
                bytes: bundle.bytes(),
                signed_by: bundle.signed_by().map(str::to_owned),
                condition: SlotCondition::Proven,
            },
        );
        let slot = flashed.slot;
        let key = bundle.signed_by().unwrap_or("no one");
        let below = match downgrade {
            true => format!(", below version {floor} because --allow-downgrade was given"),
            false => String::new(),
        };
        let what =
            format!("{product}: version {version} flashed to slot {slot}, signed by {key}{below}");
        state.note(now(), what);
        self.commit(state)?;
        Ok(flashed)
    }

    /// Reads and checks the bundle once, and stores its bytes durably in [`INCOMING`].
    fn receive(&self, input: impl Read, name: &str, trust: &Trust) -> Result<Bundle, SlotsError> {
        let file = self.storage.create(INCOMING).map_err(SlotsError::Storage)?;
        let mut tee = Tee {
            input,
            file: BufWriter::with_capacity(1 << 18, file),
            failed: None,
        };
        let bundle = Bundle::from_reader(&mut tee, name, trust);
        if let Some(error) = tee.failed {
            return Err(SlotsError::Storage(error));
        }
        let bundle = bundle?;
        let mut file = tee
            .file
            .into_inner()
            .map_err(|e| SlotsError::Storage(e.into_error()))?;
        file.sync().map_err(SlotsError::Storage)?;
        Ok(bundle)
    }
}

/// A reader that writes everything it reads.
struct Tee<R, W> {
    input: R,
    file: W,
    /// The error of the writer, which the caller would otherwise take for one of the input.
    failed: Option<io::Error>,
}

impl<R: Read, W: Write> Read for Tee<R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        if let Err(error) = self.file.write_all(&buffer[..read]) {
            let kind = error.kind();
            self.failed = Some(error);
            return Err(kind.into());
        }
        Ok(read)
    }
}

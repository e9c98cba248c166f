//! A disk in memory that can fail or lose power at any operation. It promises no more than a file system does: what was
//! not synced may be there after a power cut, wholly, in part, as zeros, or not at all.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Cursor, Read, Write};
use std::rc::Rc;

use aecsad::slots::storage::{NewFile, Storage};

/// What happens at the operation whose number comes up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// An error, and nothing was done (a write: half of it).
    Fails(io::ErrorKind),
    /// An error, though it was done.
    FailsAfterwards,
    /// The power goes; a write may have begun.
    PowerCut,
}

/// What of the unsynced things survives a power cut.
#[derive(Clone, Copy, Debug)]
pub enum Survives {
    Nothing,
    Everything,
    /// Each thing by the throw of a coin; contents cut or zeroed anywhere.
    Some(u64),
}

#[derive(Clone, Debug)]
enum Change {
    Link(String, usize),
    Rename(String, String),
    Remove(String),
}

#[derive(Clone, Debug, Default)]
struct Content {
    synced: Vec<u8>,
    now: Vec<u8>,
}

#[derive(Clone, Debug, Default)]
struct Inner {
    files: Vec<Content>,
    folder: BTreeMap<String, usize>,
    synced_folder: BTreeMap<String, usize>,
    /// Changes of the folder since it was synced, in their order.
    changes: Vec<Change>,
    operations: u64,
    trouble: Option<(u64, Trouble)>,
    power_is_off: bool,
}

/// Clones share the disk.
#[derive(Clone, Debug, Default)]
pub struct SimulatedDisk(Rc<RefCell<Inner>>);

impl SimulatedDisk {
    /// A disk of its own with the same content and no trouble ahead.
    pub fn copy(&self) -> Self {
        let mut inner = self.0.borrow().clone();
        inner.operations = 0;
        inner.trouble = None;
        SimulatedDisk(Rc::new(RefCell::new(inner)))
    }

    /// Trouble at operation `at` from now on, the first being 0.
    pub fn expect(&self, at: u64, trouble: Trouble) {
        let mut inner = self.0.borrow_mut();
        inner.operations = 0;
        inner.trouble = Some((at, trouble));
    }

    pub fn operations(&self) -> u64 {
        self.0.borrow().operations
    }

    pub fn power_is_off(&self) -> bool {
        self.0.borrow().power_is_off
    }

    /// The disk as it is found when the power is back.
    pub fn rebooted(&self, survives: Survives) -> Self {
        let mut inner = self.0.borrow().clone();
        let mut random = fastrand::Rng::with_seed(match survives {
            Survives::Some(seed) => seed,
            _ => 0,
        });
        let mut folder = inner.synced_folder.clone();
        for change in &inner.changes {
            let lasts = match survives {
                Survives::Nothing => false,
                Survives::Everything => true,
                Survives::Some(_) => random.bool(),
            };
            if lasts {
                apply(&mut folder, change);
            }
        }
        for content in &mut inner.files {
            content.now = match survives {
                Survives::Nothing => content.synced.clone(),
                Survives::Everything => content.now.clone(),
                Survives::Some(_) => torn(&content.synced, &content.now, &mut random),
            };
            content.synced = content.now.clone();
        }
        inner.synced_folder = folder.clone();
        inner.folder = folder;
        inner.changes.clear();
        inner.power_is_off = false;
        inner.trouble = None;
        inner.operations = 0;
        SimulatedDisk(Rc::new(RefCell::new(inner)))
    }

    /// Flips one bit of a file at rest.
    pub fn flip_bit(&self, name: &str, bit: usize) {
        let mut inner = self.0.borrow_mut();
        let id = inner.folder[name];
        let content = &mut inner.files[id];
        content.now[bit / 8] ^= 1 << (bit % 8);
        content.synced = content.now.clone();
    }

    /// Puts other content into a file that is there.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let mut inner = self.0.borrow_mut();
        let id = inner.folder[name];
        inner.files[id].now = bytes.to_vec();
        inner.files[id].synced = bytes.to_vec();
    }

    pub fn names(&self) -> Vec<String> {
        self.0.borrow().folder.keys().cloned().collect()
    }

    pub fn content(&self, name: &str) -> Option<Vec<u8>> {
        let inner = self.0.borrow();
        inner
            .folder
            .get(name)
            .map(|id| inner.files[*id].now.clone())
    }

    /// Counts one operation; the trouble that comes with it, if any.
    fn operate(&self) -> io::Result<Option<Trouble>> {
        let mut inner = self.0.borrow_mut();
        if inner.power_is_off {
            return Err(io::Error::other("the power is off"));
        }
        let number = inner.operations;
        inner.operations += 1;
        let trouble = inner.trouble.filter(|(at, _)| *at == number);
        if let Some((_, Trouble::PowerCut)) = trouble {
            inner.power_is_off = true;
        }
        Ok(trouble.map(|(_, trouble)| trouble))
    }

    /// One operation that is done or not.
    fn whole<T>(&self, act: impl FnOnce(&mut Inner) -> io::Result<T>) -> io::Result<T> {
        match self.operate()? {
            Some(Trouble::Fails(kind)) => Err(kind.into()),
            Some(Trouble::PowerCut) => Err(io::Error::other("the power is off")),
            Some(Trouble::FailsAfterwards) => {
                let _ = act(&mut self.0.borrow_mut());
                Err(io::Error::other("input/output error"))
            }
            None => act(&mut self.0.borrow_mut()),
        }
    }
}

fn apply(folder: &mut BTreeMap<String, usize>, change: &Change) {
    match change {
        Change::Link(name, id) => {
            folder.insert(name.clone(), *id);
        }
        Change::Rename(from, to) => {
            // Its creation may be one of the things that were lost.
            if let Some(id) = folder.remove(from) {
                folder.insert(to.clone(), id);
            }
        }
        Change::Remove(name) => {
            folder.remove(name);
        }
    }
}

/// Old content, new content, a part of the new, or the new with a hole of zeros.
fn torn(synced: &[u8], now: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
    if synced == now {
        return now.to_vec();
    }
    let mut content = now.to_vec();
    match random.u8(0..4) {
        0 => synced.to_vec(),
        1 => content,
        2 => {
            content.truncate(random.usize(0..=now.len()));
            content
        }
        _ => {
            let from = random.usize(0..=now.len());
            let to = random.usize(from..=now.len());
            content[from..to].fill(0);
            content
        }
    }
}

impl Inner {
    fn change(&mut self, change: Change) {
        apply(&mut self.folder, &change);
        self.changes.push(change);
    }

    fn find(&self, name: &str) -> io::Result<usize> {
        let found = self.folder.get(name).copied();
        found.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Storage for SimulatedDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        self.whole(|inner| Ok(inner.folder.keys().cloned().collect()))
    }

    fn read(&self, name: &str) -> io::Result<Box<dyn Read + '_>> {
        self.whole(|inner| {
            let id = inner.find(name)?;
            Ok(Box::new(Cursor::new(inner.files[id].now.clone())) as Box<dyn Read>)
        })
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn NewFile + '_>> {
        let id = self.whole(|inner| {
            // An old file of this name is emptied: it stays the same file, links in the folder included.
            if let Ok(id) = inner.find(name) {
                inner.files[id].now.clear();
                return Ok(id);
            }
            inner.files.push(Content::default());
            let id = inner.files.len() - 1;
            inner.change(Change::Link(name.into(), id));
            Ok(id)
        })?;
        Ok(Box::new(SimulatedFile { disk: self, id }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.whole(|inner| {
            inner.find(from)?;
            inner.change(Change::Rename(from.into(), to.into()));
            Ok(())
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.whole(|inner| {
            inner.find(name)?;
            inner.change(Change::Remove(name.into()));
            Ok(())
        })
    }

    fn sync_folder(&self) -> io::Result<()> {
        self.whole(|inner| {
            inner.synced_folder = inner.folder.clone();
            inner.changes.clear();
            Ok(())
        })
    }
}

struct SimulatedFile<'d> {
    disk: &'d SimulatedDisk,
    id: usize,
}

impl Write for SimulatedFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let trouble = self.disk.operate()?;
        let mut inner = self.disk.0.borrow_mut();
        let now = &mut inner.files[self.id].now;
        match trouble {
            None => {
                now.extend(bytes);
                return Ok(bytes.len());
            }
            Some(Trouble::FailsAfterwards) => now.extend(bytes),
            Some(_) => now.extend(&bytes[..bytes.len() / 2]),
        }
        Err(match trouble {
            Some(Trouble::Fails(kind)) => kind.into(),
            _ => io::Error::other("input/output error"),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl NewFile for SimulatedFile<'_> {
    fn sync(&mut self) -> io::Result<()> {
        let id = self.id;
        self.disk.whole(|inner| {
            inner.files[id].synced = inner.files[id].now.clone();
            Ok(())
        })
    }
}

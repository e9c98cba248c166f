//! The folder of plans. A plan is valid for one device with one version of everything, which the first half of its name
//! says, and for one network with one set of flags, which the second half says.

use std::cmp::Reverse;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use aecsad_program::whole_file::WholeFile;

use super::plan::Plan;

/// Plans of eight bundles with four networks each.
const MOST_PLANS: usize = 32;
const MOST_BYTES: u64 = 4 << 30;
const EXTENSION: &str = "plan";

pub(super) struct PlanCache {
    folder: PathBuf,
    device: String,
}

impl PlanCache {
    /// `device` is a hash of everything on this machine that a plan depends on.
    pub fn new(folder: &Path, device: &str) -> Self {
        PlanCache {
            folder: folder.into(),
            device: shortened(device).into(),
        }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The plan under this key; none if there is none.
    ///
    /// # Errors
    /// If its file can't be read or is damaged.
    pub fn read(&self, key: &str) -> Result<Option<Plan>, String> {
        let path = self.path(key);
        let file = match fs::read(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("{} can't be read: {error}", path.display())),
        };
        let plan = Plan::from_file(&file)?;
        // The latest used is removed last. A user who may only read leaves the order as it is.
        let touched = File::options().append(true).open(&path);
        let _ = touched.and_then(|file| file.set_modified(SystemTime::now()));
        Ok(Some(plan))
    }

    /// Keeps a plan, whole or not at all, and removes those that no longer fit: of another device or version, and the
    /// longest unused beyond the bounds.
    pub fn write(&self, key: &str, plan: &Plan) -> io::Result<()> {
        let path = self.path(key);
        let mut file = WholeFile::create(&path)?;
        file.write_all(&plan.to_file())?;
        file.commit_durably()?;
        self.tidy(&path)
    }

    /// A plan that another process has removed meanwhile is none.
    fn tidy(&self, newest: &Path) -> io::Result<()> {
        let mut plans = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.extension().is_none_or(|found| found != EXTENSION) {
                continue;
            }
            let Some(metadata) = unless_gone(path.metadata())? else {
                continue;
            };
            plans.push((metadata.modified()?, metadata.len(), path));
        }
        plans.sort_by_key(|(used, _, path)| Reverse((path == newest, *used)));
        let (mut kept, mut bytes) = (0, 0);
        for (_, length, path) in plans {
            let name = path.file_name().and_then(|name| name.to_str());
            let is_ours = name.is_some_and(|name| name.starts_with(&self.device));
            if is_ours && kept < MOST_PLANS && bytes + length <= MOST_BYTES || path == newest {
                kept += 1;
                bytes += length;
            } else {
                unless_gone(fs::remove_file(path))?;
            }
        }
        Ok(())
    }

    fn path(&self, key: &str) -> PathBuf {
        let (device, key) = (&self.device, shortened(key));
        self.folder.join(format!("{device}-{key}.{EXTENSION}"))
    }
}

/// None where the file is no longer there.
fn unless_gone<T>(done: io::Result<T>) -> io::Result<Option<T>> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        done => done.map(Some),
    }
}

/// 128 bits of a hash.
fn shortened(hash: &str) -> &str {
    hash.get(..32).unwrap_or(hash)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::network::Precision;

    fn plan(byte: u8) -> Plan {
        Plan {
            inputs: vec!["image".into()],
            outputs: vec!["map".into()],
            precision: Precision::F32,
            bytes: vec![byte; 8],
        }
    }

    fn count(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn what_is_written_is_read_until_it_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let cache = PlanCache::new(folder.path(), "device");
        assert_eq!(cache.read("a"), Ok(None));
        cache.write("a", &plan(1)).unwrap();
        assert_eq!(cache.read("a"), Ok(Some(plan(1))));
        fs::write(cache.path("a"), "half a file").unwrap();
        assert!(cache.read("a").is_err());
    }

    #[test]
    fn plans_of_another_device_are_removed_and_other_files_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let old = PlanCache::new(folder.path(), "before the update");
        old.write("a", &plan(1)).unwrap();
        fs::write(folder.path().join("README"), "mine").unwrap();
        PlanCache::new(folder.path(), "after the update")
            .write("b", &plan(2))
            .unwrap();
        assert_eq!(old.read("a"), Ok(None));
        assert!(folder.path().join("README").exists());
    }

    #[test]
    fn a_plan_that_is_gone_meanwhile_hinders_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let cache = PlanCache::new(folder.path(), "device");
        // A link without its file is what a plan is that goes between the listing and the look at it.
        std::os::unix::fs::symlink("nothing", folder.path().join("gone.plan")).unwrap();
        cache.write("a", &plan(1)).unwrap();
        assert_eq!(cache.read("a"), Ok(Some(plan(1))));
        let removed = fs::remove_file(folder.path().join("never there"));
        assert!(matches!(unless_gone(removed), Ok(None)));
    }

    #[test]
    fn the_longest_unused_plan_is_removed_first() {
        let folder = tempfile::tempdir().unwrap();
        let cache = PlanCache::new(folder.path(), "device");
        for index in 0..MOST_PLANS {
            cache.write(&format!("plan {index}"), &plan(1)).unwrap();
            let age = Duration::from_secs(1000 - index as u64);
            let file = File::options()
                .append(true)
                .open(cache.path(&format!("plan {index}")));
            file.unwrap().set_modified(SystemTime::now() - age).unwrap();
        }
        assert!(cache.read("plan 0").unwrap().is_some());
        cache.write("one more", &plan(2)).unwrap();
        assert_eq!(count(folder.path()), MOST_PLANS);
        assert_eq!(cache.read("plan 1"), Ok(None));
        assert!(cache.read("plan 0").unwrap().is_some());
    }
}

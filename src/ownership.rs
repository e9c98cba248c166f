//! Gives files that root makes to the owner of their folder. A technician checks and flashes as root, and the station
//! works as a user of its own.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::path::Path;

use aecsad_program::whole_file;

const FOLDER_MODE: u32 = 0o755;
const FILE_MODE: u32 = 0o644;

/// Makes the folder and its missing parents, readable by everyone despite the umask.
pub fn create_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    create_folder(folder_of(path))?;
    match fs::create_dir(path) {
        Ok(()) => {}
        // Another program made it meanwhile.
        Err(_) if path.is_dir() => return Ok(()),
        Err(error) => return Err(error),
    }
    fs::set_permissions(path, Permissions::from_mode(FOLDER_MODE))?;
    hand_over(path)
}

/// Makes a new file readable by everyone despite the umask. A device, a pipe or standard output stays as it is.
pub fn share_file(path: &Path) -> io::Result<()> {
    if whole_file::is_stream(path) {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(FILE_MODE))?;
    hand_over(path)
}

/// Gives what root has just made to the owner of the folder that it lies in.
pub fn hand_over(path: &Path) -> io::Result<()> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    let folder = fs::metadata(folder_of(path))?;
    match lchown(path, Some(folder.uid()), Some(folder.gid())) {
        // On a file system without owners everyone may read.
        Err(error) if error.kind() != io::ErrorKind::PermissionDenied => Err(error),
        _ => Ok(()),
    }
}

/// The folder that `path` lies in.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) => Path::new("."),
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_can_read_what_is_made_here() {
        let folder = tempfile::tempdir().unwrap();
        let (made, file) = (folder.path().join("a/b"), folder.path().join("a/b/c"));
        create_folder(&made).unwrap();
        fs::write(&file, "x").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        share_file(&file).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().mode() & 0o777;
        assert_eq!((mode(&made), mode(&file)), (0o755, 0o644));
        assert!(create_folder(&file.join("d")).is_err());
    }

    #[test]
    fn a_device_keeps_its_permissions() {
        let folder = tempfile::tempdir().unwrap();
        let device = folder.path().join("null");
        let mut mknod = std::process::Command::new("mknod");
        let made = mknod.args(["-m", "666"]).arg(&device).args(["c", "1", "3"]);
        if !made.output().unwrap().status.success() {
            // Only root may make one.
            return;
        }
        share_file(&device).unwrap();
        share_file(Path::new("-")).unwrap();
        assert_eq!(device.metadata().unwrap().mode() & 0o777, 0o666);
    }

    #[test]
    fn what_root_makes_belongs_to_the_folder_s_owner() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        lchown(folder.path(), Some(65_534), Some(65_534)).unwrap();
        let made = folder.path().join("a/b");
        create_folder(&made).unwrap();
        let made = made.metadata().unwrap();
        assert_eq!((made.uid(), made.gid()), (65_534, 65_534));
    }
}

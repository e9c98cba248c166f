//! Key pairs and signatures in minisign's formats, so that its stock tool verifies what is signed here.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use aecsad_inspect::bundle::UNTRUSTED_COMMENT;
use aecsad_program::text_file::{self, TextError};
use aecsad_program::whole_file;
use minisign::{KeyPair, PublicKey, SecretKey, SecretKeyBox};

/// Names of the two files that [`generate`] writes.
pub const SECRET_KEY_NAME: &str = "aecsad.key";
pub const PUBLIC_KEY_NAME: &str = "aecsad.pub";

/// A key file is a few hundred bytes.
const MAX_KEY_BYTES: u64 = 4096;

#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    #[error("{}: there is a key already; it is kept, so name another folder", path.display())]
    KeyExists { path: PathBuf },
    #[error("{}: the key can't be written ({source}); check the folder and its permissions", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{}: the secret key can't be read ({source}); check the path and its permissions", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}: this is not a minisign secret key; name the .key file that keygen wrote", path.display())]
    NotAKey { path: PathBuf },
    #[error("{}: the secret key can't be opened ({source}); check the password", path.display())]
    Locked {
        path: PathBuf,
        source: minisign::PError,
    },
    #[error("the signature can't be made ({0}); try again")]
    Sign(minisign::PError),
    #[error("no key can be made ({0}); try again")]
    Generate(minisign::PError),
}

/// Makes a key pair in `folder`, created if need be, and returns the public key's id. The secret key has no password
/// and is readable by its owner only. A key that is there is never replaced: bundles signed with it are on the lines.
pub fn generate(folder: &Path) -> Result<String, SigningError> {
    let secret_path = folder.join(SECRET_KEY_NAME);
    let public_path = folder.join(PUBLIC_KEY_NAME);
    for path in [&secret_path, &public_path] {
        if path.symlink_metadata().is_ok() {
            return Err(SigningError::KeyExists { path: path.clone() });
        }
    }
    let pair = KeyPair::generate_unencrypted_keypair().map_err(SigningError::Generate)?;
    let id = key_id(&pair.pk);
    let secret = pair
        .sk
        .to_box(Some("aecsad secret key, keep it to yourself"));
    let secret = secret.map_err(SigningError::Generate)?.into_string();
    let public = pair.pk.to_box().map_err(SigningError::Generate)?;
    whole_file::create_folder(folder).map_err(|source| SigningError::Write {
        path: folder.into(),
        source,
    })?;
    write_new(&secret_path, &secret, 0o600)?;
    if let Err(error) = write_new(&public_path, &public.into_string(), 0o644) {
        // Half a pair is of no use. If it can't be removed either, the first error says more.
        let _ = std::fs::remove_file(&secret_path);
        return Err(error);
    }
    Ok(id)
}

/// A secret key ready to sign.
pub struct SigningKey {
    secret: SecretKey,
    id: String,
}

impl SigningKey {
    /// Reads a key of [`generate`], or one of `minisign -G`: if that has a password, the terminal prompts for it.
    pub fn from_file(path: &Path) -> Result<SigningKey, SigningError> {
        let not_a_key = || SigningError::NotAKey { path: path.into() };
        let text = text_file::read(path, MAX_KEY_BYTES).map_err(|error| match error {
            TextError::Unreadable(source) => SigningError::Read {
                path: path.into(),
                source,
            },
            TextError::Folder | TextError::NoFile => SigningError::Read {
                path: path.into(),
                source: std::io::Error::other(error),
            },
            _ => not_a_key(),
        })?;
        let boxed = || SecretKeyBox::from_string(&text).map_err(|_| not_a_key());
        let secret = match boxed()?.into_unencrypted_secret_key() {
            Ok(secret) => secret,
            Err(_) if is_encrypted(&text) => {
                boxed()?
                    .into_secret_key(None)
                    .map_err(|source| SigningError::Locked {
                        path: path.into(),
                        source,
                    })?
            }
            Err(_) => return Err(not_a_key()),
        };
        let public = PublicKey::from_secret_key(&secret).map_err(|_| not_a_key())?;
        Ok(SigningKey {
            id: key_id(&public),
            secret,
        })
    }

    /// The key's number as minisign shows it: 16 upper-case hex digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The signature's text for a manifest; fits [`aecsad_inspect::bundle::Signer`].
    pub fn sign(&self, manifest: &[u8]) -> Result<String, SigningError> {
        // No time in it: the comment is for people, and a clock may be wrong.
        let comment = Some("file:manifest.toml");
        minisign::sign(
            None,
            &self.secret,
            manifest,
            comment,
            Some(UNTRUSTED_COMMENT),
        )
        .map(|signature| signature.into_string())
        .map_err(SigningError::Sign)
    }
}

/// minisign's second field says how the key is locked: `Sc` is scrypt.
fn is_encrypted(text: &str) -> bool {
    // `Ed` + `Sc` in base64.
    text.lines()
        .nth(1)
        .is_some_and(|line| line.starts_with("RWRTY"))
}

fn key_id(key: &PublicKey) -> String {
    key.keynum()
        .iter()
        .rev()
        .map(|b| format!("{b:02X}"))
        .collect()
}

/// Whole, and never over a file that is there.
fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), SigningError> {
    let write = || -> io::Result<()> {
        let mut file = tempfile::Builder::new()
            .permissions(Permissions::from_mode(mode))
            .tempfile_in(path.parent().unwrap_or(Path::new(".")))?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path)?;
        Ok(())
    };
    write().map_err(|source| SigningError::Write {
        path: path.into(),
        source,
    })
}

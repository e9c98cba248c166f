//! Memory between two runs.

/// Lets the process keep what a run gave back. Large maps would otherwise go to the kernel after each frame and be fetched
/// again page by page in the next, which takes a sixth of the paper's local student.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn keep() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    // SAFETY: mallopt(3) takes any values; what it can't do it leaves.
    ONCE.call_once(|| unsafe {
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
    });
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn keep() {}

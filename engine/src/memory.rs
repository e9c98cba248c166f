//! Makes the allocator keep its memory between two frames.

/// Makes the allocator keep freed memory. Otherwise large maps are returned to the kernel after each frame and fetched
/// again page by page, which costs the paper's local student a sixth of its time.
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

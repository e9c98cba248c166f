//! No path on the command line is taken without a word on whether it is read or written.

use std::any::TypeId;
use std::path::PathBuf;

use aecsad::cli::Cli;
use clap::CommandFactory;

/// Places that a command writes, and folders whose files it registers as it reads them.
const WRITTEN: [&str; 11] = [
    "out", "csv", "maps", "heatmaps", "pty_link", "log", "slots", "journal", "folder", "reviewed",
    "plans",
];
const FOLDERS_READ: [&str; 1] = ["keys"];

#[test]
fn each_path_is_an_input_or_is_known_to_be_written() {
    let program = Cli::command();
    let mut paths = 0;
    for command in program.get_subcommands() {
        for argument in command.get_arguments() {
            let id = argument.get_id().as_str();
            let is_path = argument.get_value_parser().type_id() == TypeId::of::<PathBuf>();
            let known = WRITTEN.contains(&id) || FOLDERS_READ.contains(&id);
            assert!(
                !is_path || known,
                "`{} --{id}`: make it an `InputPath`, or name it here if it is written",
                command.get_name()
            );
            paths += usize::from(is_path);
        }
    }
    assert!(paths > 8, "{paths}");
}

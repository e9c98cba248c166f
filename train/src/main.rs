use std::process::ExitCode;

fn main() -> ExitCode {
    aecsad::cli::start_log();
    aecsad_train::cli::run(&aecsad::cli::read_arguments())
}

//! What is kept of a run: a table, and a plot beside it, named after the day and the mode.

use std::fs;

use crate::{Failure, build, machine, options::Options};

/// Prints the table, and keeps table and plot unless the run was a quick one.
pub fn keep(
    options: &Options,
    name: &str,
    markdown: &str,
    svg: Option<&str>,
) -> Result<(), Failure> {
    println!("{markdown}");
    if options.quick {
        return Ok(());
    }
    let folder = build::bench().join("results");
    fs::create_dir_all(&folder)?;
    let stem = format!("{}-{name}", machine::date());
    fs::write(folder.join(format!("{stem}.md")), markdown)?;
    if let Some(svg) = svg {
        fs::write(folder.join(format!("{stem}.svg")), svg)?;
    }
    eprintln!("kept in {}", folder.join(stem).display());
    Ok(())
}

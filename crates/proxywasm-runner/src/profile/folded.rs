//! Stacks as lines: frames from the outermost on with semicolons between them, a blank, and how many samples there are.

use proxywasm_host::Profile;
use std::fmt::Write;

pub(super) fn write(profile: &Profile) -> String {
    let mut text = String::new();
    for stack in &profile.stacks {
        for (place, frame) in stack.frames.iter().enumerate() {
            if place > 0 {
                text.push(';');
            }
            text.extend(frame.chars().map(plain));
        }
        // Writing to a text does not fail.
        let _ = writeln!(text, " {}", stack.samples);
    }
    text
}

/// What ends neither a frame nor a line. Names are the plugin's.
fn plain(letter: char) -> char {
    match letter {
        ';' => ':',
        letter if letter.is_control() => ' ',
        letter => letter,
    }
}

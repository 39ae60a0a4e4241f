//! Scripts: steps in callbacks.
//!
//! ```text
//! get_header_map_value request_headers 'x-a'; return pause; @response_headers; trap
//! ```
//!
//! Steps are separated by semicolons. `@name` begins the steps of another callback, `@name#2` those of its second call, the first ones
//! are of `request_headers`. A step is a hostcall (see [`crate::hostcalls`]) with its arguments, or one of:
//!
//! | step | what it does |
//! |---|---|
//! | `return VALUE` | returns `continue`, `pause` or a number from the callback |
//! | `let $name VALUE` | sets a variable, which all streams see |
//! | `trap`, `loop`, `bomb` | traps, never returns, allocates until it traps |
//! | `allocator null`, `far`, `trap`, `ok` | what the allocator does from now on |

use crate::text;

/// The steps of a stream, or of the plugin.
#[derive(Debug, Default)]
pub(crate) struct Script {
    steps: Vec<Step>,
    /// How often each callback was called.
    calls: Vec<(String, u32)>,
}

#[derive(Debug)]
struct Step {
    callback: String,
    /// Which call of the callback; 0 for each.
    call: u32,
    words: Vec<String>,
}

impl Script {
    pub(crate) fn parse(text: &str) -> Self {
        let mut script = Self::default();
        let (mut callback, mut call) = ("request_headers".to_owned(), 0);
        for words in text::steps(text) {
            match words.first().and_then(|word| word.strip_prefix('@')) {
                Some(name) => {
                    let (name, number) = name.split_once('#').unwrap_or((name, "0"));
                    (callback, call) = (name.to_owned(), number.parse().unwrap_or(0));
                }
                None => script.steps.push(Step {
                    callback: callback.clone(),
                    call,
                    words,
                }),
            }
        }
        script
    }

    /// The steps of a callback that is called now.
    pub(crate) fn enter(&mut self, callback: &str) -> Vec<Vec<String>> {
        let known = self.calls.iter_mut().find(|(name, _)| name == callback);
        let call = match known {
            Some((_, calls)) => {
                *calls += 1;
                *calls
            }
            None => {
                self.calls.push((callback.to_owned(), 1));
                1
            }
        };
        let steps = self.steps.iter();
        steps
            .filter(|step| step.callback == callback && (step.call == 0 || step.call == call))
            .map(|step| step.words.clone())
            .collect()
    }
}

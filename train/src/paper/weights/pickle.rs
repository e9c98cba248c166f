//! Reads the description of the tensors in a `.pth`: a Python pickle, protocol 2. A pickle is a program for a small
//! stack machine that can call anything; this machine knows the few steps that a dictionary of tensors takes, calls
//! nothing, and refuses the rest.

use std::collections::BTreeMap;

/// Where a tensor lies, as the pickle says.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// torch's class of the storage, such as `FloatStorage`.
    pub kind: String,
    /// The storage's entry in the archive, under `data/`.
    pub key: String,
    /// In elements.
    pub offset: usize,
    pub shape: Vec<usize>,
    /// In elements.
    pub stride: Vec<usize>,
}

/// What can stand on the stack.
#[derive(Clone, Debug)]
enum Item {
    Mark,
    None,
    Int(i64),
    Text(String),
    /// A Python object by module and name; never called.
    Global(String),
    Tuple(Vec<Item>),
    Dict(Vec<(Item, Item)>),
    Storage {
        kind: String,
        key: String,
    },
    Tensor(Description),
}

/// A pickle of a network with thousands of tensors takes a few hundred kilobytes.
const MAX_STEPS: usize = 10_000_000;
const REBUILD_TENSOR: &str = "torch._utils _rebuild_tensor_v2";
const REBUILD_PARAMETER: &str = "torch._utils _rebuild_parameter";
const ORDERED_DICT: &str = "collections OrderedDict";

/// The tensors of a pickled dictionary by name.
pub fn tensors(pickle: &[u8]) -> Result<BTreeMap<String, Description>, String> {
    let mut machine = Machine {
        rest: pickle,
        stack: Vec::new(),
        memo: BTreeMap::new(),
    };
    let Item::Dict(pairs) = machine.run()? else {
        return Err("it doesn't hold a dictionary of tensors".into());
    };
    let mut tensors = BTreeMap::new();
    for (name, value) in pairs {
        match (name, value) {
            (Item::Text(name), Item::Tensor(tensor)) => tensors.insert(name, tensor),
            (Item::Text(name), _) => return Err(format!("{name} is not a tensor")),
            _ => return Err("one of its names is not text".into()),
        };
    }
    Ok(tensors)
}

struct Machine<'a> {
    rest: &'a [u8],
    stack: Vec<Item>,
    memo: BTreeMap<u32, Item>,
}

impl Machine<'_> {
    fn run(&mut self) -> Result<Item, String> {
        for _ in 0..MAX_STEPS {
            let step = self.bytes(1)?[0];
            match step {
                // PROTO
                0x80 => {
                    self.bytes(1)?;
                }
                b'.' => return self.pop(),
                b'(' => self.stack.push(Item::Mark),
                b'N' => self.stack.push(Item::None),
                0x88 => self.stack.push(Item::Int(1)),
                0x89 => self.stack.push(Item::Int(0)),
                b'K' => self.number(1)?,
                b'M' => self.number(2)?,
                b'J' => {
                    let value = self.array().map(i32::from_le_bytes)?;
                    self.stack.push(Item::Int(value.into()));
                }
                // LONG1
                0x8a => {
                    let count = self.bytes(1)?[0] as usize;
                    self.number(count)?;
                }
                b'X' => {
                    let count = self.array().map(u32::from_le_bytes)? as usize;
                    let text =
                        std::str::from_utf8(self.bytes(count)?).map_err(|e| e.to_string())?;
                    let text = Item::Text(text.to_owned());
                    self.stack.push(text);
                }
                b'c' => {
                    let name = format!("{} {}", self.line()?, self.line()?);
                    self.stack.push(Item::Global(name));
                }
                b')' => self.stack.push(Item::Tuple(Vec::new())),
                0x85 => self.tuple(1)?,
                0x86 => self.tuple(2)?,
                0x87 => self.tuple(3)?,
                b't' => {
                    let items = self.until_mark()?;
                    self.stack.push(Item::Tuple(items));
                }
                b'}' => self.stack.push(Item::Dict(Vec::new())),
                b's' => {
                    let (value, key) = (self.pop()?, self.pop()?);
                    self.insert(vec![key, value])?;
                }
                b'u' => {
                    let items = self.until_mark()?;
                    self.insert(items)?;
                }
                // BINPUT, LONG_BINPUT, BINGET, LONG_BINGET
                b'q' => {
                    let at = self.bytes(1)?[0].into();
                    self.remember(at)?;
                }
                b'r' => {
                    let at = self.array().map(u32::from_le_bytes)?;
                    self.remember(at)?;
                }
                b'h' => {
                    let at = self.bytes(1)?[0].into();
                    self.recall(at)?;
                }
                b'j' => {
                    let at = self.array().map(u32::from_le_bytes)?;
                    self.recall(at)?;
                }
                b'Q' => {
                    let storage = storage(self.pop()?)?;
                    self.stack.push(storage);
                }
                b'R' => {
                    let (arguments, callee) = (self.pop()?, self.pop()?);
                    self.stack.push(call(callee, arguments)?);
                }
                // BUILD sets attributes (`_metadata`) of a dictionary, of no use here.
                b'b' => {
                    self.pop()?;
                }
                other => {
                    return Err(format!(
                        "it takes a step (0x{other:02x}) that a dictionary of tensors doesn't"
                    ));
                }
            }
        }
        Err("it takes more steps than a dictionary of tensors".into())
    }

    fn bytes(&mut self, count: usize) -> Result<&[u8], String> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or("it is cut short")?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let bytes = self.bytes(N)?;
        bytes.try_into().map_err(|_| "it is cut short".into())
    }

    /// Little-endian, not negative.
    fn number(&mut self, count: usize) -> Result<(), String> {
        let bytes = self.bytes(count)?;
        if count > 7 {
            return Err("it holds a number that no size can be".into());
        }
        let value = bytes
            .iter()
            .rev()
            .fold(0i64, |sum, &byte| sum << 8 | i64::from(byte));
        self.stack.push(Item::Int(value));
        Ok(())
    }

    fn line(&mut self) -> Result<String, String> {
        let end = self
            .rest
            .iter()
            .position(|&byte| byte == b'\n')
            .ok_or("it is cut short")?;
        let line = String::from_utf8_lossy(self.bytes(end)?).into_owned();
        self.bytes(1)?;
        Ok(line)
    }

    fn pop(&mut self) -> Result<Item, String> {
        self.stack
            .pop()
            .ok_or_else(|| "its stack runs empty".into())
    }

    fn until_mark(&mut self) -> Result<Vec<Item>, String> {
        let mark = self
            .stack
            .iter()
            .rposition(|item| matches!(item, Item::Mark));
        let at = mark.ok_or("its stack runs empty")?;
        let items = self.stack.split_off(at + 1);
        self.stack.pop();
        Ok(items)
    }

    fn tuple(&mut self, count: usize) -> Result<(), String> {
        let at = self
            .stack
            .len()
            .checked_sub(count)
            .ok_or("its stack runs empty")?;
        let items = self.stack.split_off(at);
        self.stack.push(Item::Tuple(items));
        Ok(())
    }

    /// Keys and values in turn, into the dictionary on top.
    fn insert(&mut self, items: Vec<Item>) -> Result<(), String> {
        let Some(Item::Dict(pairs)) = self.stack.last_mut() else {
            return Err("it sets an item of what is no dictionary".into());
        };
        let mut items = items.into_iter();
        while let (Some(key), Some(value)) = (items.next(), items.next()) {
            pairs.push((key, value));
        }
        Ok(())
    }

    /// Dictionaries are remembered while they are empty and never looked up again, so what is copied stays small.
    fn remember(&mut self, at: u32) -> Result<(), String> {
        let top = self.stack.last().ok_or("its stack runs empty")?;
        let copy = match top {
            Item::Dict(_) | Item::Tuple(_) => Item::None,
            other => other.clone(),
        };
        self.memo.insert(at, copy);
        Ok(())
    }

    fn recall(&mut self, at: u32) -> Result<(), String> {
        let item = self
            .memo
            .get(&at)
            .ok_or("it recalls what it never stored")?;
        let item = item.clone();
        self.stack.push(item);
        Ok(())
    }
}

/// ('storage', class, key, device, elements)
fn storage(item: Item) -> Result<Item, String> {
    if let Item::Tuple(parts) = item
        && let [Item::Text(tag), Item::Global(class), Item::Text(key), ..] = &parts[..]
        && tag == "storage"
    {
        return Ok(Item::Storage {
            kind: class.rsplit(' ').next().unwrap_or(class).to_owned(),
            key: key.clone(),
        });
    }
    Err("it refers to something that is no storage".into())
}

/// What torch would make of a call, for the three calls that a dictionary of tensors holds.
fn call(callee: Item, arguments: Item) -> Result<Item, String> {
    let (Item::Global(name), Item::Tuple(arguments)) = (callee, arguments) else {
        return Err("it calls something that is no function".into());
    };
    let refused = || Err(format!("it calls {name} in an unknown way"));
    match name.as_str() {
        ORDERED_DICT => Ok(Item::Dict(Vec::new())),
        REBUILD_TENSOR => match &arguments[..] {
            [
                Item::Storage { kind, key },
                Item::Int(offset),
                shape,
                stride,
                ..,
            ] => Ok(Item::Tensor(Description {
                kind: kind.clone(),
                key: key.clone(),
                offset: size(offset)?,
                shape: sizes(shape)?,
                stride: sizes(stride)?,
            })),
            _ => refused(),
        },
        REBUILD_PARAMETER => match arguments.into_iter().next() {
            Some(tensor @ Item::Tensor(_)) => Ok(tensor),
            _ => refused(),
        },
        _ => Err(format!(
            "it wants to call {name}, which no dictionary of tensors needs"
        )),
    }
}

fn sizes(item: &Item) -> Result<Vec<usize>, String> {
    let Item::Tuple(items) = item else {
        return Err("a tensor's shape is not a tuple".into());
    };
    items
        .iter()
        .map(|item| match item {
            Item::Int(value) => size(value),
            _ => Err("a tensor's shape is not made of numbers".into()),
        })
        .collect()
}

fn size(value: &i64) -> Result<usize, String> {
    usize::try_from(*value).map_err(|_| "a size is negative".into())
}

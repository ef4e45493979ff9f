//! The encoding of `docs/wire.md` once more, as a serde serializer of its own that says of every field what its bytes mean.
//! It shares nothing with the production codec but the types.

use std::fmt;

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

/// Bytes that belong together.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// Which field.
    pub(crate) path: String,
    pub(crate) bytes: Vec<u8>,
    /// What they say.
    pub(crate) what: String,
    /// Whether this is one raw byte, which arrays join.
    raw: bool,
}

/// The encoding of `value`, field by field.
pub(crate) fn annotate<T: Serialize>(value: &T) -> Vec<Line> {
    let mut annotator = Annotator::default();
    value.serialize(&mut annotator).expect("writing to memory does not fail");
    annotator.lines
}

/// The bytes of all lines.
pub(crate) fn bytes_of(lines: &[Line]) -> Vec<u8> {
    lines.iter().flat_map(|line| line.bytes.iter().copied()).collect()
}

#[derive(Default)]
struct Annotator {
    path: Vec<String>,
    lines: Vec<Line>,
}

type Done = Result<(), fmt::Error>;

impl Annotator {
    fn say(&mut self, bytes: Vec<u8>, what: impl ToString, raw: bool) -> Done {
        let path = self.path.concat().trim_start_matches('.').to_owned();
        self.lines.push(Line { path, bytes, what: what.to_string(), raw });
        Ok(())
    }

    /// A value below 251 is one byte; else a marker, and the bytes little endian.
    fn integer(&mut self, value: u128, what: impl ToString) -> Done {
        let (marker, length) = match value {
            0..=250 => return self.say(vec![value as u8], what, false),
            251..=0xffff => (251, 2),
            0x1_0000..=0xffff_ffff => (252, 4),
            0x1_0000_0000..=0xffff_ffff_ffff_ffff => (253, 8),
            _ => (254, 16),
        };
        self.say([&[marker], &value.to_le_bytes()[..length]].concat(), what, false)
    }

    fn length(&mut self, length: usize, what: &str) -> Done {
        self.integer(length as u128, format_args!("{length} {what}"))
    }

    fn within<T: Serialize + ?Sized>(&mut self, part: String, value: &T) -> Done {
        self.path.push(part);
        let done = value.serialize(&mut *self);
        self.path.pop();
        done
    }

    fn part(&mut self, name: Option<&'static str>, tuple: bool) -> Part<'_> {
        if let Some(name) = name {
            self.path.push(format!(".{name}"));
        }
        let start = self.lines.len();
        Part { on: self, start, index: 0, tuple, named: name.is_some() }
    }
}

/// A value of several: a list, a tuple, a struct, a map.
struct Part<'a> {
    on: &'a mut Annotator,
    start: usize,
    index: usize,
    tuple: bool,
    named: bool,
}

impl Part<'_> {
    fn next<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        let part = if self.tuple { format!(".{}", self.index) } else { format!("[{}]", self.index) };
        self.index += 1;
        self.on.within(part, value)
    }

    fn close(self) -> Done {
        if self.named {
            self.on.path.pop();
        }
        let own = &self.on.lines[self.start..];
        if self.tuple && own.len() > 1 && own.len() == self.index && own.iter().all(|line| line.raw) {
            let bytes = bytes_of(own);
            self.on.lines.truncate(self.start);
            let what = format!("{} bytes", bytes.len());
            self.on.say(bytes, what, false)?;
        }
        Ok(())
    }
}

macro_rules! integers {
    ($($name:ident $type:ty),*) => {
        $(fn $name(self, value: $type) -> Done { self.integer(value.into(), value) })*
    };
}

macro_rules! absent {
    ($($name:ident $type:ty),*) => {
        $(fn $name(self, _: $type) -> Done { Err(fmt::Error) })*
    };
}

impl<'a> Serializer for &'a mut Annotator {
    type Ok = ();
    type Error = fmt::Error;
    type SerializeSeq = Part<'a>;
    type SerializeTuple = Part<'a>;
    type SerializeTupleStruct = Part<'a>;
    type SerializeTupleVariant = Part<'a>;
    type SerializeMap = Part<'a>;
    type SerializeStruct = Part<'a>;
    type SerializeStructVariant = Part<'a>;

    integers!(serialize_u16 u16, serialize_u32 u32, serialize_u64 u64);
    // Of these the protocol has none.
    absent!(serialize_i8 i8, serialize_i16 i16, serialize_i32 i32, serialize_f32 f32,
        serialize_f64 f64, serialize_char char);

    fn is_human_readable(&self) -> bool {
        false
    }
    // A signed integer: 0, -1, 1, -2, … as 0, 1, 2, 3, …
    fn serialize_i64(self, value: i64) -> Done {
        let twice = u128::from(value.unsigned_abs()) * 2;
        self.integer(if value < 0 { twice - 1 } else { twice }, value)
    }
    fn serialize_u128(self, value: u128) -> Done {
        self.integer(value, format_args!("{value:#b}"))
    }
    fn serialize_bool(self, value: bool) -> Done {
        self.say(vec![u8::from(value)], value, false)
    }
    fn serialize_u8(self, value: u8) -> Done {
        self.say(vec![value], value, true)
    }
    fn serialize_str(self, text: &str) -> Done {
        self.length(text.len(), "bytes of text")?;
        self.say(text.as_bytes().to_vec(), format_args!("{text:?}"), false)
    }
    fn serialize_bytes(self, bytes: &[u8]) -> Done {
        self.length(bytes.len(), "bytes")?;
        self.say(bytes.to_vec(), "content", false)
    }
    fn serialize_none(self) -> Done {
        self.say(vec![0], "none", false)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Done {
        self.say(vec![1], "some", false)?;
        value.serialize(self)
    }
    fn serialize_unit(self) -> Done {
        Ok(())
    }
    fn serialize_unit_struct(self, _: &'static str) -> Done {
        Ok(())
    }
    fn serialize_unit_variant(self, of: &'static str, index: u32, variant: &'static str) -> Done {
        self.integer(index.into(), format_args!("{of}: {variant}"))
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Done {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        of: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Done {
        self.serialize_unit_variant(of, index, variant)?;
        self.within(format!(".{variant}"), value)
    }
    fn serialize_seq(self, length: Option<usize>) -> Result<Part<'a>, fmt::Error> {
        self.length(length.ok_or(fmt::Error)?, "elements")?;
        Ok(self.part(None, false))
    }
    fn serialize_tuple(self, _: usize) -> Result<Part<'a>, fmt::Error> {
        Ok(self.part(None, true))
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Part<'a>, fmt::Error> {
        Ok(self.part(None, true))
    }
    fn serialize_tuple_variant(
        self,
        of: &'static str,
        index: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Part<'a>, fmt::Error> {
        self.serialize_unit_variant(of, index, variant)?;
        Ok(self.part(Some(variant), true))
    }
    fn serialize_map(self, length: Option<usize>) -> Result<Part<'a>, fmt::Error> {
        self.length(length.ok_or(fmt::Error)?, "pairs")?;
        Ok(self.part(None, false))
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Part<'a>, fmt::Error> {
        Ok(self.part(None, false))
    }
    fn serialize_struct_variant(
        self,
        of: &'static str,
        index: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Part<'a>, fmt::Error> {
        self.serialize_unit_variant(of, index, variant)?;
        Ok(self.part(Some(variant), false))
    }
}

macro_rules! lists {
    ($($trait:ident $next:ident),*) => {
        $(impl $trait for Part<'_> {
            type Ok = ();
            type Error = fmt::Error;
            fn $next<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
                self.next(value)
            }
            fn end(self) -> Done {
                self.close()
            }
        })*
    };
}
lists!(SerializeSeq serialize_element, SerializeTuple serialize_element, SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field);

macro_rules! structs {
    ($($trait:ident),*) => {
        $(impl $trait for Part<'_> {
            type Ok = ();
            type Error = fmt::Error;
            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Done {
                self.on.within(format!(".{name}"), value)
            }
            fn end(self) -> Done {
                self.close()
            }
        })*
    };
}
structs!(SerializeStruct, SerializeStructVariant);

impl SerializeMap for Part<'_> {
    type Ok = ();
    type Error = fmt::Error;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Done {
        self.on.within(format!("[{}].key", self.index), key)
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        self.index += 1;
        self.on.within(format!("[{}].value", self.index - 1), value)
    }
    fn end(self) -> Done {
        self.close()
    }
}

//! A reader of `docs/wire.md` of its own that notes every enum it meets with all variants that this has, and makes up what is
//! not there: so no list of variants is kept by hand, and every variant can be reached.
//!
//! It shares nothing with the production codec but the types, which name their variants to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use entente_protocol::identity::{SecretKey, hash};
use entente_protocol::wire;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess,
    SeqAccess, VariantAccess, Visitor,
};

/// A variant: the names of all that the enum has, its own name, and its position.
pub(crate) type Variant = (&'static [&'static str], &'static str, u32);

/// An enum in an encoding.
#[derive(Clone, Copy)]
struct Met {
    name: &'static str,
    variants: &'static [&'static str],
    /// Where the position of the variant stands.
    at: usize,
    variant: u32,
}

impl Met {
    fn variant(&self) -> Variant {
        (self.variants, self.name, self.variant)
    }

    fn all(&self) -> impl Iterator<Item = (u32, Variant)> {
        let Self { name, variants, .. } = *self;
        (0..).zip(variants).map(move |(i, _)| (i, (variants, name, i)))
    }
}

/// The variants in the encoding of a `T`, which is read to its end.
pub(crate) fn variants_in<T: DeserializeOwned>(bytes: &[u8]) -> BTreeSet<Variant> {
    let (walk, read) = walked::<T>(bytes, false);
    assert!(read.is_ok() && walk.at == bytes.len(), "{:?} at {}", read.err(), walk.at);
    walk.met.iter().map(Met::variant).collect()
}

/// The variants of all enums that a `T` can hold, as far as these beginnings of one and what is made up behind them lead; and
/// an encoding for each that led to one, by the name of the variant, in the order of the positions.
pub(crate) fn reachable<T: DeserializeOwned>(
    beginnings: &[Vec<u8>],
) -> (BTreeSet<Variant>, Vec<(String, Vec<u8>)>) {
    let (mut known, mut made) = (BTreeSet::new(), BTreeMap::new());
    let mut open: Vec<_> = beginnings.iter().map(|beginning| (None, beginning.clone())).collect();
    while let Some((led, beginning)) = open.pop() {
        let (walk, read) = walked::<T>(&beginning, true);
        for met in &walk.met {
            for (position, variant) in met.all() {
                if known.insert(variant) && position != met.variant {
                    let beginning = [&walk.bytes[..met.at], &wire::encode(&position)[..]].concat();
                    open.push((Some(variant), beginning));
                }
            }
        }
        if read.is_ok()
            && let Some((variants, name, position)) = led.or(walk.met.first().map(|met| met.variant()))
        {
            made.insert(walk.bytes, format!("{name}: {}", variants[position as usize]));
        }
    }
    (known, made.into_iter().map(|(bytes, name)| (name, bytes)).collect())
}

fn walked<T: DeserializeOwned>(bytes: &[u8], invent: bool) -> (Walk, Result<T, Error>) {
    let mut walk = Walk { bytes: bytes.to_vec(), at: 0, invent, met: Vec::new() };
    let read = T::deserialize(&mut walk);
    (walk, read)
}

struct Walk {
    bytes: Vec<u8>,
    at: usize,
    /// Whether what lies behind the bytes is made up.
    invent: bool,
    met: Vec<Met>,
}

#[derive(Debug)]
pub(crate) struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for Error {}
impl de::Error for Error {
    fn custom<T: fmt::Display>(what: T) -> Self {
        Self(what.to_string())
    }
}

impl Walk {
    fn make_up(&mut self, bytes: &[u8]) {
        if self.invent && self.at == self.bytes.len() {
            self.bytes.extend(bytes);
        }
    }

    fn take(&mut self, length: usize) -> Result<&[u8], Error> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..length).ok_or_else(|| Error(format!("cut off at {}", self.at)))?;
        self.at += length;
        Ok(taken)
    }

    fn byte(&mut self, made_up: u8) -> Result<u8, Error> {
        self.make_up(&[made_up]);
        self.take(1).map(|bytes| bytes[0])
    }

    fn integer<N: TryFrom<u128>>(&mut self, made_up: u8) -> Result<N, Error> {
        let first = self.byte(made_up)?;
        let value = match first {
            0..=250 => u128::from(first),
            255 => return Err(Error("no such marker".into())),
            marker => {
                let mut bytes = [0; 16];
                let length = 2 << (marker - 251);
                bytes[..length].copy_from_slice(self.take(length)?);
                u128::from_le_bytes(bytes)
            }
        };
        N::try_from(value).map_err(|_| Error(format!("{value} is too large")))
    }

    fn content(&mut self, made_up: &str) -> Result<&[u8], Error> {
        self.make_up(&wire::encode(&made_up));
        let length = self.integer(0)?;
        self.take(length)
    }

    /// An array of bytes: a key, a signature, a hash or a nonce.
    fn make_up_array(&mut self, length: usize) {
        let key = SecretKey::from_seed(&hash("decoders/walk", &[]).0);
        match length {
            33 => self.make_up(&wire::encode(&key.public())),
            65 => self.make_up(&wire::encode(&key.sign("decoders/walk", &[]))),
            16 | 32 | 64 => self.make_up(&vec![7; length]),
            _ => {}
        }
    }
}

macro_rules! integers {
    ($($method:ident $visit:ident),*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.$visit(self.integer(1)?)
        })*
    };
}

macro_rules! absent {
    ($($method:ident),*) => {
        $(fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
            Err(Error("of these the protocol has none".into()))
        })*
    };
}

impl<'de> Deserializer<'de> for &mut Walk {
    type Error = Error;

    integers!(deserialize_u16 visit_u16, deserialize_u32 visit_u32, deserialize_u64 visit_u64,
        deserialize_u128 visit_u128);
    absent!(
        deserialize_any,
        deserialize_i8,
        deserialize_i16,
        deserialize_i32,
        deserialize_f32,
        deserialize_f64,
        deserialize_char,
        deserialize_identifier,
        deserialize_ignored_any
    );

    fn is_human_readable(&self) -> bool {
        false
    }
    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let twice: u64 = self.integer(1)?;
        let half = (twice / 2) as i64;
        visitor.visit_i64(if twice.is_multiple_of(2) { half } else { -half - 1 })
    }
    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_u8(self.byte(1)?)
    }
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.byte(0)? {
            truth @ 0..=1 => visitor.visit_bool(truth == 1),
            _ => Err(Error("no truth".into())),
        }
    }
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let text = String::from_utf8(self.content("norden")?.to_vec());
        visitor.visit_string(text.map_err(de::Error::custom)?)
    }
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_byte_buf(self.content("bytes")?.to_vec())
    }
    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_bytes(visitor)
    }
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.byte(1)? {
            0 => visitor.visit_none(),
            1 => visitor.visit_some(self),
            _ => Err(Error("no option".into())),
        }
    }
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }
    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let left = self.integer(1)?;
        visitor.visit_seq(Elements { walk: self, left })
    }
    fn deserialize_tuple<V: Visitor<'de>>(self, left: usize, visitor: V) -> Result<V::Value, Error> {
        self.make_up_array(left);
        visitor.visit_seq(Elements { walk: self, left })
    }
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        left: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_seq(Elements { walk: self, left })
    }
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let left = self.integer(1)?;
        visitor.visit_map(Elements { walk: self, left })
    }
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_seq(Elements { walk: self, left: fields.len() })
    }
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        // A precedence names each kind once, so none is the first of them twice.
        let before = self.met.iter().filter(|met| met.name == "AuthorityKind").count();
        self.make_up(&[if name == "AuthorityKind" { (before % 3) as u8 } else { 0 }]);
        let at = self.at;
        let variant = self.integer(0)?;
        self.met.push(Met { name, variants, at, variant });
        visitor.visit_enum(Chosen { walk: self, variant })
    }
}

struct Elements<'a> {
    walk: &'a mut Walk,
    left: usize,
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Error;
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        seed.deserialize(&mut *self.walk).map(Some)
    }
}

impl<'de> MapAccess<'de> for Elements<'_> {
    type Error = Error;
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        self.next_element_seed(seed)
    }
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(&mut *self.walk)
    }
}

struct Chosen<'a> {
    walk: &'a mut Walk,
    variant: u32,
}

impl<'de, 'a> EnumAccess<'de> for Chosen<'a> {
    type Error = Error;
    type Variant = &'a mut Walk;
    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, &'a mut Walk), Error> {
        Ok((seed.deserialize(IntoDeserializer::<Error>::into_deserializer(self.variant))?, self.walk))
    }
}

impl<'de> VariantAccess<'de> for &mut Walk {
    type Error = Error;
    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self)
    }
    fn tuple_variant<V: Visitor<'de>>(self, left: usize, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(Elements { walk: self, left })
    }
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_seq(Elements { walk: self, left: fields.len() })
    }
}

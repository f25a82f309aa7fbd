//! OTLP messages in JSON.
//!
//! The mapping is that of protobuf with the differences of OTLP: ids are hexadecimal, enumerations are numbers.
//! Integers of 64 bits are texts or numbers, unknown members are ignored, and `null` is an absent member.
//!
//! The body is read once, item by item.
//! If a resource or scope follows its items, these are read a second time, after it.

mod log;
mod read;
mod trace;
mod value;

use std::{marker::PhantomData, str};

use serde::{
    Deserializer,
    de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess},
};
use serde_json::value::RawValue;

use self::{
    read::{Elements, List, Members, Object, Text, hex},
    value::Attribute,
};
use super::{
    Sink,
    message::{InvalidId, Resource, Scope},
    meter::Meter,
};

/// An item that can be read from JSON.
pub(super) trait FromJson<'a>: Sized {
    /// The member of the request with the groups, one for each resource.
    const GROUPS: &'static str;
    /// The member of a group with the scopes.
    const SCOPES: &'static str;
    /// The member of a scope with the items.
    const ITEMS: &'static str;

    /// Reads the next value of `deserializer`.
    fn from_json<D: Deserializer<'a>>(deserializer: D, meter: &mut Meter)
    -> Result<Self, D::Error>;
}

/// Reads an export request, and passes its items to `sink`.
///
/// # Errors
///
/// If the body is malformed. The items before the fault have been passed to `sink`.
pub(super) fn read<'a, T, S>(
    body: &'a [u8],
    meter: &mut Meter,
    sink: &mut S,
) -> Result<(), serde_json::Error>
where
    T: FromJson<'a>,
    S: Sink<'a, T>,
{
    let text = str::from_utf8(body).map_err(serde_json::Error::custom)?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let mut request = Request {
        meter,
        sink,
        item: PhantomData,
    };
    Object(&mut request).deserialize(&mut deserializer)?;
    deserializer.end()
}

struct Request<'x, T, S> {
    meter: &'x mut Meter,
    sink: &'x mut S,
    item: PhantomData<T>,
}

impl<'a, T, S> Members<'a> for Request<'_, T, S>
where
    T: FromJson<'a>,
    S: Sink<'a, T>,
{
    fn member<A: MapAccess<'a>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        if name == T::GROUPS {
            return map.next_value_seed(List(self));
        }
        map.next_value::<IgnoredAny>().map(drop)
    }
}

impl<'a, T, S> Elements<'a> for Request<'_, T, S>
where
    T: FromJson<'a>,
    S: Sink<'a, T>,
{
    fn element<A: SeqAccess<'a>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        let mut group = Group {
            meter: &mut *self.meter,
            sink: &mut *self.sink,
            resource: None,
            is_announced: false,
            later: None,
            item: PhantomData,
        };
        let element = list.next_element_seed(Object(&mut group))?;
        if let Some(later) = group.later.take() {
            let mut deserializer = serde_json::Deserializer::from_str(later.get());
            let read = List(&mut group).deserialize(&mut deserializer);
            read.map_err(A::Error::custom)?;
        }
        Ok(element.is_some())
    }
}

/// A resource and its scopes.
struct Group<'x, 'a, T, S> {
    meter: &'x mut Meter,
    sink: &'x mut S,
    resource: Option<Resource<'a>>,
    /// Whether the sink has the resource.
    is_announced: bool,
    /// The scopes, if the resource was not read before them.
    later: Option<&'a RawValue>,
    item: PhantomData<T>,
}

impl<'a, T, S> Members<'a> for Group<'_, 'a, T, S>
where
    T: FromJson<'a>,
    S: Sink<'a, T>,
{
    fn member<A: MapAccess<'a>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        if name == "resource" {
            self.meter.begin_item();
            let mut reader = ResourceMembers {
                resource: Resource::default(),
                meter: &mut *self.meter,
            };
            map.next_value_seed(Object(&mut reader))?;
            self.resource = Some(reader.resource);
            Ok(())
        } else if name == T::SCOPES && self.resource.is_some() {
            map.next_value_seed(List(self))
        } else if name == T::SCOPES {
            replace(&mut self.later, map.next_value()?, name)
        } else {
            map.next_value::<IgnoredAny>().map(drop)
        }
    }
}

impl<'a, T, S> Elements<'a> for Group<'_, 'a, T, S>
where
    T: FromJson<'a>,
    S: Sink<'a, T>,
{
    fn element<A: SeqAccess<'a>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        if !self.is_announced {
            self.is_announced = true;
            self.sink.resource(self.resource.get_or_insert_default());
        }
        let mut items = Items {
            meter: &mut *self.meter,
            sink: &mut *self.sink,
            scope: None,
            later: None,
            item: PhantomData,
        };
        let element = list.next_element_seed(Object(&mut items))?;
        if let Some(later) = items.later.take() {
            let mut deserializer = serde_json::Deserializer::from_str(later.get());
            let read = List(&mut items).deserialize(&mut deserializer);
            read.map_err(A::Error::custom)?;
        }
        Ok(element.is_some())
    }
}

/// A scope and its items.
struct Items<'x, 'a, T, S> {
    meter: &'x mut Meter,
    sink: &'x mut S,
    scope: Option<Scope<'a>>,
    /// The items, if the scope was not read before them.
    later: Option<&'a RawValue>,
    item: PhantomData<T>,
}

impl<'a, T, S> Members<'a> for Items<'_, 'a, T, S>
where
    T: FromJson<'a>,
    S: Sink<'a, T>,
{
    fn member<A: MapAccess<'a>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        if name == "scope" {
            self.meter.begin_item();
            let mut reader = ScopeMembers {
                scope: Scope::default(),
                meter: &mut *self.meter,
            };
            map.next_value_seed(Object(&mut reader))?;
            self.scope = Some(reader.scope);
            Ok(())
        } else if name == T::ITEMS && self.scope.is_some() {
            map.next_value_seed(List(self))
        } else if name == T::ITEMS {
            replace(&mut self.later, map.next_value()?, name)
        } else {
            map.next_value::<IgnoredAny>().map(drop)
        }
    }
}

impl<'a, T, S> Elements<'a> for Items<'_, 'a, T, S>
where
    T: FromJson<'a>,
    S: Sink<'a, T>,
{
    fn element<A: SeqAccess<'a>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        let Some(item) = list.next_element_seed(Item {
            meter: &mut *self.meter,
            item: PhantomData,
        })?
        else {
            return Ok(false);
        };
        let scope = self.scope.get_or_insert_default();
        self.sink.item(scope, item, self.meter.is_cut());
        Ok(true)
    }
}

/// The seed of one item.
struct Item<'x, T> {
    meter: &'x mut Meter,
    item: PhantomData<T>,
}

impl<'a, T: FromJson<'a>> DeserializeSeed<'a> for Item<'_, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<T, D::Error> {
        self.meter.begin_item();
        T::from_json(deserializer, self.meter)
    }
}

struct ResourceMembers<'x, 'a> {
    resource: Resource<'a>,
    meter: &'x mut Meter,
}

impl<'a> Members<'a> for ResourceMembers<'_, 'a> {
    fn member<A: MapAccess<'a>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "attributes" => map.next_value_seed(List(&mut Attribute {
                attributes: &mut self.resource.attributes,
                meter: &mut *self.meter,
            })),
            _ => map.next_value::<IgnoredAny>().map(drop),
        }
    }
}

struct ScopeMembers<'x, 'a> {
    scope: Scope<'a>,
    meter: &'x mut Meter,
}

impl<'a> Members<'a> for ScopeMembers<'_, 'a> {
    fn member<A: MapAccess<'a>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "name" => self.scope.name = map.next_value_seed(Text(self.meter))?,
            "version" => self.scope.version = map.next_value_seed(Text(self.meter))?,
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

/// Sets a member that may occur once.
fn replace<T, E: serde::de::Error>(member: &mut Option<T>, value: T, name: &str) -> Result<(), E> {
    if member.replace(value).is_some() {
        return Err(E::custom(format_args!("the member {name} occurs twice")));
    }
    Ok(())
}

/// Returns the id in hexadecimal digits, or the fault.
fn required<T>(id: Option<T>, fault: InvalidId, faults: &mut Option<InvalidId>) -> Option<T> {
    if id.is_none() {
        faults.get_or_insert(fault);
    }
    id
}

//! Attributes and values in JSON.

use serde::{
    Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess},
};

use super::{
    super::{
        message::{Attributes, Value},
        meter::Meter,
    },
    read::{Elements, List, Members, Object, Part, optional},
};

/// Reads the attributes of an item.
pub(super) struct Attribute<'x, 'a> {
    pub(super) attributes: &'x mut Attributes<'a>,
    pub(super) meter: &'x mut Meter,
}

impl<'a> Elements<'a> for Attribute<'_, 'a> {
    fn element<A: SeqAccess<'a>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        // The end of the list is found by reading, so a full list reads without keeping.
        let length = self.attributes.len();
        list.next_element_seed(Pair {
            pairs: self.attributes,
            meter: &mut *self.meter,
            depth: 0,
            admits: |meter: &mut Meter| {
                let is_admitted = meter.admits_attribute(length);
                meter.begin_value();
                is_admitted
            },
        })
        .map(|element| element.is_some())
    }
}

/// Reads the body of a log record.
pub(super) struct Body<'x>(pub(super) &'x mut Meter);

impl<'a> DeserializeSeed<'a> for Body<'_> {
    type Value = Value<'a>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Value<'a>, D::Error> {
        self.0.begin_value();
        let (meter, depth) = (self.0, 0);
        AnyValue { meter, depth }.deserialize(deserializer)
    }
}

/// Reads one `KeyValue` into a list, if the list admits it.
struct Pair<'x, 'a, F> {
    pairs: &'x mut Attributes<'a>,
    meter: &'x mut Meter,
    depth: usize,
    admits: F,
}

impl<'a, F: FnOnce(&mut Meter) -> bool> DeserializeSeed<'a> for Pair<'_, 'a, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        if !(self.admits)(self.meter) {
            return deserializer.deserialize_ignored_any(IgnoredAny).map(drop);
        }
        let mut members = PairMembers {
            pair: Default::default(),
            meter: self.meter,
            depth: self.depth,
        };
        Object(&mut members).deserialize(deserializer)?;
        self.pairs.push(members.pair);
        Ok(())
    }
}

struct PairMembers<'x, 'a> {
    pair: (std::borrow::Cow<'a, str>, Value<'a>),
    meter: &'x mut Meter,
    depth: usize,
}

impl<'a> Members<'a> for PairMembers<'_, 'a> {
    fn member<A: MapAccess<'a>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "key" => {
                let key = map.next_value_seed(Part(self.meter))?;
                self.pair.0 = key.unwrap_or_default();
            }
            "value" => {
                let (meter, depth) = (&mut *self.meter, self.depth);
                self.pair.1 = map.next_value_seed(AnyValue { meter, depth })?;
            }
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

/// Reads an `AnyValue`.
struct AnyValue<'x> {
    meter: &'x mut Meter,
    depth: usize,
}

impl<'a> DeserializeSeed<'a> for AnyValue<'_> {
    type Value = Value<'a>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Value<'a>, D::Error> {
        let mut members = ValueMembers {
            value: Value::Null,
            meter: self.meter,
            depth: self.depth,
        };
        Object(&mut members).deserialize(deserializer)?;
        Ok(members.value)
    }
}

struct ValueMembers<'x, 'a> {
    value: Value<'a>,
    meter: &'x mut Meter,
    depth: usize,
}

impl<'a> Members<'a> for ValueMembers<'_, 'a> {
    fn member<A: MapAccess<'a>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        // A member of `null` is not set.
        let value = match name {
            "stringValue" => map.next_value_seed(Part(self.meter))?.map(Value::Text),
            "boolValue" => map.next_value::<Option<bool>>()?.map(Value::Bool),
            "intValue" => optional(map)?.map(Value::Int),
            "doubleValue" => optional(map)?.map(Value::Float),
            "bytesValue" => map.next_value_seed(Part(self.meter))?.map(Value::Bytes),
            "arrayValue" | "kvlistValue" if !self.meter.admits_depth(self.depth) => {
                map.next_value::<IgnoredAny>()?;
                Some(Value::Null)
            }
            "arrayValue" => {
                let mut values = Values {
                    list: Vec::new(),
                    meter: &mut *self.meter,
                    depth: self.depth + 1,
                };
                map.next_value_seed(Object(&mut values))?;
                Some(Value::Array(values.list))
            }
            "kvlistValue" => {
                let mut values = Pairs {
                    list: Vec::new(),
                    meter: &mut *self.meter,
                    depth: self.depth + 1,
                };
                map.next_value_seed(Object(&mut values))?;
                Some(Value::Object(values.list))
            }
            _ => return map.next_value::<IgnoredAny>().map(drop),
        };
        if let Some(value) = value {
            self.value = value;
        }
        Ok(())
    }
}

/// The elements of an array.
struct Values<'x, 'a> {
    list: Vec<Value<'a>>,
    meter: &'x mut Meter,
    depth: usize,
}

impl<'a> Members<'a> for Values<'_, 'a> {
    fn member<A: MapAccess<'a>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "values" => map.next_value_seed(List(self)),
            _ => map.next_value::<IgnoredAny>().map(drop),
        }
    }
}

impl<'a> Elements<'a> for Values<'_, 'a> {
    fn element<A: SeqAccess<'a>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        list.next_element_seed(Element(self))
            .map(|element| element.is_some())
    }
}

/// Reads one element of an array, if the array admits it.
struct Element<'y, 'x, 'a>(&'y mut Values<'x, 'a>);

impl<'a> DeserializeSeed<'a> for Element<'_, '_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        let Values { list, meter, depth } = self.0;
        if !meter.admits_element(list.len()) {
            return deserializer.deserialize_ignored_any(IgnoredAny).map(drop);
        }
        let depth = *depth;
        list.push(AnyValue { meter, depth }.deserialize(deserializer)?);
        Ok(())
    }
}

/// The members of an object.
struct Pairs<'x, 'a> {
    list: Attributes<'a>,
    meter: &'x mut Meter,
    depth: usize,
}

impl<'a> Members<'a> for Pairs<'_, 'a> {
    fn member<A: MapAccess<'a>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "values" => map.next_value_seed(List(self)),
            _ => map.next_value::<IgnoredAny>().map(drop),
        }
    }
}

impl<'a> Elements<'a> for Pairs<'_, 'a> {
    fn element<A: SeqAccess<'a>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        let length = self.list.len();
        list.next_element_seed(Pair {
            pairs: &mut self.list,
            meter: &mut *self.meter,
            depth: self.depth,
            admits: |meter: &mut Meter| meter.admits_element(length),
        })
        .map(|element| element.is_some())
    }
}

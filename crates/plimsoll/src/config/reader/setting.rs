//! One setting while it is being asked for.
//!
//! Options come first, then exactly one finisher:
//!
//! | finisher             | unset and no default | type                                  |
//! |----------------------|----------------------|---------------------------------------|
//! | `read`               | "is required"        | any [`FromSetting`]                   |
//! | `read_optional`      | `None`               | any [`FromSetting`]                   |
//! | `read_with`          | "is required"        | whatever the given function returns   |
//! | `read_optional_with` | `None`               | whatever the given function returns   |
//!
//! The default goes through the same parser as a value from outside, so it cannot be one that
//! would be refused there.

use std::{borrow::Cow, fmt};

use super::{
    Definition, DisplayValue, Invalid, ParseError, RawValue, Reader, RejectedValue, SettingOrigin,
};
use crate::config::{
    definition::DefaultValue,
    value::{FromSetting, MASK},
};

/// A setting that is being asked for; see [`Reader::setting`].
#[must_use = "a setting has a value only after one of its `read` methods"]
pub struct Setting<'r, 'e> {
    reader: &'r mut Reader<'e>,
    name: &'static str,
    meaning: &'static str,
    aliases: Vec<&'static str>,
    alias_zero: Option<&'static str>,
    default: Option<Default>,
    example: Option<&'static str>,
    secret: bool,
}

struct Default {
    fallback: DefaultValue,
    text: Cow<'static, str>,
    origin: SettingOrigin,
}

/// How the text becomes a value.
struct ValueKind<'k, T> {
    expected: &'static str,
    example: Option<&'static str>,
    secret: bool,
    parse: &'k dyn Fn(&str) -> Result<T, ParseError>,
    show: &'k dyn Fn(&T, &str) -> String,
}

impl<'r, 'e> Setting<'r, 'e> {
    pub(super) const fn new(
        reader: &'r mut Reader<'e>,
        name: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self {
            reader,
            name,
            meaning,
            aliases: Vec::new(),
            alias_zero: None,
            default: None,
            example: None,
            secret: false,
        }
    }

    /// Understands another variable too; may be called several times. The setting's own name
    /// wins, then the aliases in their order.
    pub fn alias(mut self, name: &'static str) -> Self {
        self.aliases.push(name);
        self
    }

    /// Takes a 0 under an alias for `text`, where 0 is legal under that name and not here.
    pub(in crate::config) const fn alias_zero(mut self, text: &'static str) -> Self {
        self.alias_zero = Some(text);
        self
    }

    /// Says what holds when the setting is unset.
    pub fn default(mut self, text: &'static str) -> Self {
        self.default = Some(Default {
            fallback: DefaultValue::Fixed(text),
            text: text.into(),
            origin: SettingOrigin::Default,
        });
        self
    }

    /// Says what holds when the setting is unset, where that depends on the machine or the
    /// build. The docs, which must not, show `shown`.
    pub fn default_from(mut self, shown: &'static str, text: impl Into<String>) -> Self {
        self.default = Some(Default {
            fallback: DefaultValue::Varies(shown),
            text: text.into().into(),
            origin: SettingOrigin::Default,
        });
        self
    }

    /// Gives a value that is accepted, for docs and error messages. Else the default is one.
    pub const fn example(mut self, text: &'static str) -> Self {
        self.example = Some(text);
        self
    }

    /// Never shows the value, and understands `NAME_FILE`. Types that are secrets have it on.
    pub const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// Reads the setting, which must be set unless it has a default.
    ///
    /// # Errors
    ///
    /// [`Invalid`] when it is missing or not what its type expects; the reader has recorded why.
    pub fn read<T: FromSetting>(self) -> Result<T, Invalid> {
        self.required(ValueKind::of())
    }

    /// Reads the setting, which may be unset.
    ///
    /// # Errors
    ///
    /// [`Invalid`] when it is not what its type expects; the reader has recorded why.
    pub fn read_optional<T: FromSetting>(self) -> Result<Option<T>, Invalid> {
        self.resolve(ValueKind::of(), DefaultValue::Unset)
    }

    /// Reads the setting with a function of its own, for instance
    /// [`within`](crate::config::within) a range.
    ///
    /// ```
    /// use plimsoll::config::{Reader, within};
    ///
    /// # fn read(from: &mut Reader<'_>) {
    /// let size = from
    ///     .setting("POOL_SIZE", "Connections in the pool.")
    ///     .default("10")
    ///     .read_with("a whole number from 1 to 100", within(1..=100_u32));
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Invalid`] when it is missing or refused; the reader has recorded why.
    pub fn read_with<T>(
        self,
        expected: &'static str,
        parse: impl Fn(&str) -> Result<T, ParseError>,
    ) -> Result<T, Invalid> {
        self.required(ValueKind::with(expected, &parse))
    }

    /// Reads the setting with a function of its own; it may be unset.
    ///
    /// # Errors
    ///
    /// [`Invalid`] when it is refused; the reader has recorded why.
    pub fn read_optional_with<T>(
        self,
        expected: &'static str,
        parse: impl Fn(&str) -> Result<T, ParseError>,
    ) -> Result<Option<T>, Invalid> {
        self.resolve(ValueKind::with(expected, &parse), DefaultValue::Unset)
    }

    /// `resolve` records a problem for a required setting that is missing, so `None` is no
    /// outcome of its own.
    fn required<T>(self, kind: ValueKind<'_, T>) -> Result<T, Invalid> {
        self.resolve(kind, DefaultValue::Required)?
            .ok_or(Invalid(()))
    }

    /// Finds, parses and records, whatever the finisher.
    fn resolve<T>(
        self,
        kind: ValueKind<'_, T>,
        without: DefaultValue,
    ) -> Result<Option<T>, Invalid> {
        let Self {
            reader,
            name,
            meaning,
            aliases,
            alias_zero,
            default,
            example,
            secret,
        } = self;
        let secret = secret || kind.secret;
        let of_program = reader.sources.environment().default_of(name);
        let default = of_program.map(Default::of_program).or(default);
        let fallback = match default.as_ref().map_or(without, |it| it.fallback) {
            DefaultValue::Fixed(_) if secret => DefaultValue::Varies(MASK),
            other => other,
        };
        let fixed = match fallback {
            DefaultValue::Fixed(text) => Some(text),
            _ => None,
        };
        let definition = Definition {
            name,
            aliases,
            fallback,
            expected: kind.expected,
            example: example.or(fixed).or(kind.example),
            meaning,
            secret,
            owner: reader.owner,
        };
        reader.claim(&definition)?;
        let index = reader.open_reading(definition.clone());

        let given = match (reader.given(&definition)?, default) {
            (Some(given), _) => given,
            (None, Some(default)) => RawValue {
                variable: name,
                text: default.text.into_owned(),
                origin: default.origin,
            },
            (None, None) if fallback == DefaultValue::Required => {
                let problem = definition.problem(name, RejectedValue::Missing, ParseError::new());
                return Err(reader.problem(problem));
            }
            (None, None) => return Ok(None),
        };
        let RawValue {
            variable,
            text,
            origin,
        } = given;
        let text = match (&origin, alias_zero) {
            (SettingOrigin::Alias { .. }, Some(least)) if text == "0" => {
                let note = format!("{variable}: 0 counts as {least} here");
                reader.notes.push(note);
                least.to_owned()
            }
            _ => text,
        };
        match (kind.parse)(&text) {
            Ok(value) => {
                let reading = &mut reader.readings[index];
                reading.origin = origin;
                reading.value = if secret {
                    DisplayValue::Masked
                } else {
                    DisplayValue::Text((kind.show)(&value, &text))
                };
                Ok(Some(value))
            }
            Err(mismatch) => {
                let held = RejectedValue::of(&text, secret || mismatch.hides());
                let problem = definition
                    .problem(variable, held, mismatch)
                    .found_in(origin.place());
                Err(reader.problem(problem))
            }
        }
    }
}

impl Default {
    fn of_program(text: &'static str) -> Self {
        Self {
            fallback: DefaultValue::Fixed(text),
            text: text.into(),
            origin: SettingOrigin::Code,
        }
    }
}

impl fmt::Debug for Setting<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setting")
            .field("name", &self.name)
            .field("aliases", &self.aliases)
            .finish_non_exhaustive()
    }
}

impl<T: FromSetting> ValueKind<'static, T> {
    fn of() -> Self {
        Self {
            expected: T::EXPECTED,
            example: Some(T::EXAMPLE).filter(|text| !text.is_empty() && !T::SECRET),
            secret: T::SECRET,
            parse: &T::parse,
            show: &T::show,
        }
    }
}

impl<'k, T> ValueKind<'k, T> {
    fn with(expected: &'static str, parse: &'k dyn Fn(&str) -> Result<T, ParseError>) -> Self {
        Self {
            expected,
            example: None,
            secret: false,
            parse,
            show: &|_, text| text.to_owned(),
        }
    }
}

//! The builder of one setting.
//!
//! Options come first, then exactly one finisher:
//!
//! | finisher             | unset and no default | type                                  |
//! |----------------------|----------------------|---------------------------------------|
//! | `read`               | "is required"        | any [`FromSetting`]                   |
//! | `read_optional`      | `None`               | any [`FromSetting`]                   |
//! | `read_with`          | "is required"        | the return type of the given function |
//! | `read_optional_with` | `None`               | the return type of the given function |
//!
//! The default is parsed like any other value, so a default that would be rejected is an error.

use std::{borrow::Cow, fmt};

use super::{
    Definition, DisplayValue, Invalid, ParseError, RawValue, Reader, RejectedValue, SettingOrigin,
};
use crate::{
    config::{definition::DefaultValue, value::FromSetting},
    mask::MASK,
};

/// The builder of one setting; see [`Reader::setting`].
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

/// The parser of a value, and its texts for help and report.
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

    /// Adds another variable for the setting; may be called several times. The name of the setting
    /// wins, then the aliases in their order.
    pub fn alias(mut self, name: &'static str) -> Self {
        self.aliases.push(name);
        self
    }

    /// Reads 0 under an alias as `text`, where 0 is valid under that name and not here.
    pub(in crate::config) const fn alias_zero(mut self, text: &'static str) -> Self {
        self.alias_zero = Some(text);
        self
    }

    /// Sets the value of an unset setting.
    pub fn default(mut self, text: &'static str) -> Self {
        self.default = Some(Default {
            fallback: DefaultValue::Fixed(text),
            text: text.into(),
            origin: SettingOrigin::Default,
        });
        self
    }

    /// Sets the value of an unset setting, if it depends on the machine or the build. The docs show
    /// `shown`, which is the same on every machine.
    pub fn default_from(mut self, shown: &'static str, text: impl Into<String>) -> Self {
        self.default = Some(Default {
            fallback: DefaultValue::Varies(shown),
            text: text.into().into(),
            origin: SettingOrigin::Default,
        });
        self
    }

    /// Sets a valid value for docs and error messages. By default it is the default of the setting.
    pub const fn example(mut self, text: &'static str) -> Self {
        self.example = Some(text);
        self
    }

    /// Never shows the value, and accepts `NAME_FILE`. Secret types have this set.
    pub const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// Reads the setting, which must be set unless it has a default.
    ///
    /// # Errors
    ///
    /// [`Invalid`] if it is missing or cannot be parsed. The reader has recorded the error.
    pub fn read<T: FromSetting>(self) -> Result<T, Invalid> {
        self.required(ValueKind::of())
    }

    /// Reads the setting, which may be unset.
    ///
    /// # Errors
    ///
    /// [`Invalid`] if it cannot be parsed. The reader has recorded the error.
    pub fn read_optional<T: FromSetting>(self) -> Result<Option<T>, Invalid> {
        self.resolve(ValueKind::of(), DefaultValue::Unset)
    }

    /// Reads the setting with the given parser, for instance [`within`](crate::config::within) a
    /// range.
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
    /// [`Invalid`] if it is missing or rejected. The reader has recorded the error.
    pub fn read_with<T>(
        self,
        expected: &'static str,
        parse: impl Fn(&str) -> Result<T, ParseError>,
    ) -> Result<T, Invalid> {
        self.required(ValueKind::with(expected, &parse))
    }

    /// Reads the setting with the given parser; it may be unset.
    ///
    /// # Errors
    ///
    /// [`Invalid`] if it is rejected. The reader has recorded the error.
    pub fn read_optional_with<T>(
        self,
        expected: &'static str,
        parse: impl Fn(&str) -> Result<T, ParseError>,
    ) -> Result<Option<T>, Invalid> {
        self.resolve(ValueKind::with(expected, &parse), DefaultValue::Unset)
    }

    /// Resolves a setting that must have a value. `None` does not occur: `resolve` records an error
    /// for a required setting that is missing.
    fn required<T>(self, kind: ValueKind<'_, T>) -> Result<T, Invalid> {
        self.resolve(kind, DefaultValue::Required)?
            .ok_or(Invalid(()))
    }

    /// Finds, parses and records the value, for all finishers.
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
        let index = reader.add_unset(definition.clone());

        let raw = match (reader.find(&definition)?, default) {
            (Some(raw), _) => raw,
            (None, Some(default)) => RawValue {
                variable: name,
                text: default.text.into_owned(),
                origin: default.origin,
            },
            (None, None) if fallback == DefaultValue::Required => {
                let problem = definition.problem(name, RejectedValue::Missing, ParseError::new());
                return Err(reader.record(problem));
            }
            (None, None) => return Ok(None),
        };
        let RawValue {
            variable,
            text,
            origin,
        } = raw;
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
                let setting = &mut reader.resolved[index];
                setting.origin = origin;
                setting.value = if secret {
                    DisplayValue::Masked
                } else {
                    DisplayValue::shown(&(kind.show)(&value, &text))
                };
                Ok(Some(value))
            }
            Err(error) => {
                let held = RejectedValue::of(&text, secret || error.hides());
                let problem = definition
                    .problem(variable, held, error)
                    .found_in(origin.place());
                Err(reader.record(problem))
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

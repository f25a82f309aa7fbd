//! The query of an API request.

use axum::http::{StatusCode, Uri};

use super::problem::Problem;
use crate::{children::name, store::Filter};

/// The parameters of a URL, each at most once.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the parameters of a URL, of which only the named ones may exist.
    ///
    /// # Errors
    ///
    /// 400 if a parameter is unknown or repeated.
    pub(super) fn read(uri: &Uri, known: &[&str]) -> Result<Self, Problem> {
        let query = uri.query().unwrap_or_default().as_bytes();
        let mut all: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(query) {
            if !known.contains(&&*name) {
                let known = known.join(", ");
                return Err(invalid(format!(
                    "unknown parameter {name:?}; known: {known}"
                )));
            }
            if all.iter().any(|(other, _)| *other == name) {
                return Err(invalid(format!("the parameter {name:?} is repeated")));
            }
            all.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(all))
    }

    /// Returns a parameter.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let mut all = self.0.iter();
        let found = all.find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Returns a whole number. An empty one is absent.
    ///
    /// # Errors
    ///
    /// 400 if it is something else.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Problem> {
        let text = self.text(name).filter(|text| !text.is_empty());
        let number = text.map(str::parse).transpose();
        number.map_err(|_| invalid(format!("{name} must be a whole number")))
    }

    /// Returns a parameter that must exist.
    ///
    /// # Errors
    ///
    /// 400 if it does not.
    pub(super) fn required(&self, name: &str) -> Result<String, Problem> {
        let text = self.text(name).filter(|text| !text.is_empty());
        let text = text.map(str::to_owned);
        text.ok_or_else(|| invalid(format!("the parameter {name:?} is missing")))
    }

    /// Returns a number with decimals. An empty one is absent.
    ///
    /// # Errors
    ///
    /// 400 if it is something else.
    pub(super) fn decimal(&self, name: &str) -> Result<Option<f64>, Problem> {
        let text = self.text(name).filter(|text| !text.is_empty());
        let number: Option<f64> = text
            .map(str::parse)
            .transpose()
            .map_err(|_| invalid(format!("{name} must be a number")))?;
        match number {
            Some(number) if !number.is_finite() => Err(invalid(format!("{name} must be finite"))),
            number => Ok(number),
        }
    }

    /// Returns a small whole number. An empty one is absent.
    ///
    /// # Errors
    ///
    /// 400 if it is something else.
    pub(super) fn small(&self, name: &str) -> Result<Option<u32>, Problem> {
        let number = self.number(name)?.map(u32::try_from).transpose();
        number.map_err(|_| invalid(format!("{name} is too large")))
    }

    /// Returns the filter. Records of the console itself need its name in the filter.
    ///
    /// # Errors
    ///
    /// 400 if a term is wrong.
    pub(super) fn filter(&self) -> Result<Filter, Problem> {
        let text = self.text("filter").unwrap_or_default();
        let own = format!("service:{}", name::CONSOLE);
        let mut terms = text.split(' ').map(|term| term.trim_start_matches('-'));
        let text = match terms.any(|term| term == own) {
            true => text.to_owned(),
            false => format!("{text} -{own}"),
        };
        Filter::parse(&text).map_err(|error| invalid(error.to_string()))
    }
}

fn invalid(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Query, Problem> {
        let uri: Uri = format!("/api/logs?{query}").parse().unwrap();
        Query::read(&uri, &["filter", "before"])
    }

    #[test]
    fn parameters_are_known_and_unique() {
        let query = read("filter=status%3A5xx+text&before=7").unwrap();
        assert_eq!(query.text("filter"), Some("status:5xx text"));
        assert_eq!(query.number("before"), Ok(Some(7)));
        assert_eq!(read("before=").unwrap().number("before"), Ok(None));
        assert!(read("before=-1").unwrap().number("before").is_err());
        let query = read("before=1.5&filter=9e999").unwrap();
        assert_eq!(query.decimal("before"), Ok(Some(1.5)));
        assert!(query.decimal("filter").is_err() && query.small("before").is_err());
        assert!(query.required("filter").is_ok() && query.required("limit").is_err());
        assert!(read("befor=1").is_err());
        assert!(read("before=1&before=2").is_err());
    }

    #[test]
    fn wrong_filter_is_an_error() {
        assert!(read("filter=status:5xx").unwrap().filter().is_ok());
        let error = read("filter=colour:red").unwrap().filter().unwrap_err();
        assert_eq!(error.status, 400);
        assert!(error.detail.contains("colour"), "{}", error.detail);
    }
}

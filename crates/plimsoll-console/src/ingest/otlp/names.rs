//! Which service and run of the console a resource is.
//!
//! The console gives each child a `service.instance.id`, which has its name and run.
//! Other processes are found by `service.name`, and their run by the time of the span.

use super::message::{Resource, Value, find};

/// The most bytes of a service's name.
const MAX_NAME: usize = 100;

/// The service of a resource without a name, as SDKs call it.
const UNKNOWN: &str = "unknown_service";

/// Service and run of a resource.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Origin {
    pub(crate) service: String,
    /// `None` if the resource does not have it.
    pub(crate) run: Option<u32>,
}

/// Writes and reads the instance ids of this console.
#[derive(Debug, Clone)]
pub(crate) struct Instances {
    /// Begins each id, so that ids of another console are not taken for own ones.
    prefix: String,
}

impl Instances {
    /// `nonce` identifies the process of the console.
    pub(crate) fn new(nonce: &str) -> Self {
        Self {
            prefix: format!("plimsoll-console.{nonce}."),
        }
    }

    /// Returns the `service.instance.id` for a run of a child.
    pub(crate) fn id(&self, service: &str, run: u32) -> String {
        format!("{}{run}.{service}", self.prefix)
    }

    /// Returns service and run of a resource.
    pub(super) fn origin(&self, resource: &Resource<'_>) -> Origin {
        let text = |key| find(&resource.attributes, key).and_then(Value::text);
        let own = text("service.instance.id").and_then(|id| {
            let (run, service) = id.strip_prefix(&self.prefix)?.split_once('.')?;
            Some(Origin {
                service: service.to_owned(),
                run: Some(run.parse().ok()?),
            })
        });
        own.unwrap_or_else(|| {
            let name = text("service.name").filter(|name| !name.is_empty());
            let name = name.unwrap_or(UNKNOWN);
            Origin {
                service: name[..name.floor_char_boundary(MAX_NAME)].to_owned(),
                run: None,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(attributes: &[(&'static str, &str)]) -> Origin {
        let attributes = attributes.iter();
        let attributes =
            attributes.map(|(key, value)| ((*key).into(), Value::Text((*value).to_owned().into())));
        Instances::new("a1").origin(&Resource {
            attributes: attributes.collect(),
        })
    }

    fn expected(service: &str, run: Option<u32>) -> Origin {
        let service = service.to_owned();
        Origin { service, run }
    }

    #[test]
    fn own_instance_has_service_and_run() {
        let id = Instances::new("a1").id("orders.v2", 7);
        let found = origin(&[("service.name", "shop"), ("service.instance.id", &id)]);
        assert_eq!(found, expected("orders.v2", Some(7)));
    }

    #[test]
    fn other_instance_has_the_name_of_its_service() {
        let other = Instances::new("b2").id("orders", 7);
        for id in [
            &other,
            "",
            "plimsoll-console.a1.x.orders",
            "plimsoll-console.a1.7",
        ] {
            let found = origin(&[("service.instance.id", id), ("service.name", "shop")]);
            assert_eq!(found, expected("shop", None), "{id}");
        }
        assert_eq!(origin(&[]), expected(UNKNOWN, None));
        assert_eq!(origin(&[("service.name", "")]), expected(UNKNOWN, None));
        let long = "ä".repeat(60);
        assert_eq!(origin(&[("service.name", &long)]).service.len(), MAX_NAME);
    }
}

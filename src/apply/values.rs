//! The values of secrets on their way from the user, or from one host to another, through this machine's memory.

use std::collections::BTreeMap;

use super::segment;
use crate::host::HostError;
use crate::plan::model::Step;
use crate::resource::HostName;
use crate::secret::{Secret, SecretId};

/// The values that are known, and those that were asked for.
pub(super) struct Values<'a> {
    supplied: &'a BTreeMap<SecretId, Secret<String>>,
    /// `None` while it is being read.
    read: BTreeMap<(HostName, SecretId), Option<Value>>,
}

/// A value, or why it could not be read.
type Value = Result<Secret<String>, String>;

impl<'a> Values<'a> {
    pub(super) fn new(supplied: &'a BTreeMap<SecretId, Secret<String>>) -> Self {
        Self { supplied, read: BTreeMap::new() }
    }

    /// What must now be read for these steps, and whether nothing is waited for.
    pub(super) fn ask(&mut self, steps: &[Step]) -> (Vec<(HostName, SecretId)>, bool) {
        let (mut missing, mut is_ready) = (Vec::new(), true);
        for (id, from) in segment::secrets(steps) {
            let Some(from) = from else { continue };
            let key = (from.clone(), id.clone());
            is_ready &= self.read.get(&key).is_some_and(Option::is_some);
            if !self.read.contains_key(&key) {
                self.read.insert(key.clone(), None);
                missing.push(key);
            }
        }
        (missing, is_ready)
    }

    /// A value came, or did not.
    pub(super) fn came(
        &mut self,
        from: HostName,
        id: SecretId,
        result: Result<Option<Secret<String>>, HostError>,
    ) {
        let value = match result {
            Ok(Some(value)) => Ok(value),
            Ok(None) => Err(format!("{from} has no secret {id}")),
            Err(error) => Err(error.message),
        };
        self.read.insert((from, id), Some(value));
    }

    /// What goes ahead of these steps; where a value is missing, its own step will say so.
    pub(super) fn of(&self, steps: &[Step]) -> Vec<(SecretId, Secret<String>)> {
        let value = |(id, from): (&SecretId, Option<&HostName>)| {
            let value = match from {
                None => self.supplied.get(id)?,
                Some(from) => self.read.get(&(from.clone(), id.clone()))?.as_ref()?.as_ref().ok()?,
            };
            Some((id.clone(), value.clone()))
        };
        segment::secrets(steps).filter_map(value).collect()
    }

    /// Why the value that a step needs was not sent; `None` where it was, or where it needs none.
    pub(super) fn missing(&self, step: &Step) -> Option<String> {
        let (id, from) = segment::secrets(std::slice::from_ref(step)).next()?;
        match from {
            None if self.supplied.contains_key(id) => None,
            None => Some(format!("no value was given for the secret {id}")),
            Some(from) => self.read.get(&(from.clone(), id.clone()))?.as_ref()?.as_ref().err().cloned(),
        }
    }
}

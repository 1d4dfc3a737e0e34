//! The blobs of one connection: chunks become bytes that requests can name.
//!
//! Decision: a complete blob is an `Arc<Vec<u8>>`. A job that uses it clones the pointer, and `blob/write` copies only
//! if a job still holds it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use underpaint_wire::blob::{Name, Put, Write};
use underpaint_wire::hello::Limits;
use underpaint_wire::{Error, Kind};

/// Complete and begun blobs, within the connection's limits.
pub struct Blobs {
    limits: Limits,
    complete: HashMap<Name, Arc<Vec<u8>>>,
    begun: HashMap<Name, Begun>,
    /// Puts that were refused; the rest of their chunks is dropped in silence.
    refused: HashSet<Name>,
}

struct Begun {
    bytes: Vec<u8>,
    size: u64,
    next_chunk: u64,
}

impl Blobs {
    /// None yet.
    pub fn new(limits: Limits) -> Self {
        Self { limits, complete: HashMap::new(), begun: HashMap::new(), refused: HashSet::new() }
    }

    /// Takes a chunk. An error is reported once for each refused blob; it names it in `data.blob`.
    pub fn put(&mut self, put: &Put, tail: &[u8]) -> Result<(), Error> {
        if put.chunk == 0 {
            self.refused.remove(&put.blob);
            self.begun.remove(&put.blob);
        } else if self.refused.contains(&put.blob) {
            if put.last {
                self.refused.remove(&put.blob);
            }
            return Ok(());
        }
        self.take(put, tail).map_err(|error| {
            self.begun.remove(&put.blob);
            // The set stays small: a client that invents refused names without end loses only its own silence.
            if !put.last && self.refused.len() < self.limits.max_blobs as usize {
                self.refused.insert(put.blob.clone());
            }
            error.with("blob", put.blob.as_str())
        })
    }

    fn take(&mut self, put: &Put, tail: &[u8]) -> Result<(), Error> {
        let Put { blob, size, chunk, last } = put;
        if !blob.as_str().starts_with('c') {
            return Err(Error::field(
                "blob",
                format!("A client's blob must have a name that begins with c, not `{blob}`."),
            ));
        }
        if tail.len() as u64 > self.limits.max_chunk_bytes as u64 {
            return Err(too_large(format!(
                "A chunk of {} bytes is larger than the {} that are accepted.",
                tail.len(),
                self.limits.max_chunk_bytes
            )));
        }
        if *chunk == 0 {
            self.begin(blob, *size)?;
        }
        let begun = self.begun.get_mut(blob).ok_or_else(|| {
            Error::field("chunk", format!("Blob `{blob}` was not begun: its first chunk must be number 0."))
        })?;
        if *chunk != begun.next_chunk || *size != begun.size {
            let message = format!(
                "Chunk {chunk} of {size} bytes does not follow: blob `{blob}` has {} bytes and goes on with chunk {}.",
                begun.size, begun.next_chunk
            );
            return Err(Error::field("chunk", message));
        }
        let sum = begun.bytes.len() as u64 + tail.len() as u64;
        if sum > *size || (*last && sum != *size) {
            return Err(Error::field(
                "size",
                format!("Blob `{blob}` is to have {size} bytes, but its chunks have {sum}."),
            ));
        }
        begun.bytes.extend_from_slice(tail);
        begun.next_chunk += 1;
        if *last && let Some(done) = self.begun.remove(blob) {
            self.complete.insert(blob.clone(), Arc::new(done.bytes));
        }
        Ok(())
    }

    fn begin(&mut self, blob: &Name, size: u64) -> Result<(), Error> {
        // A complete blob of the same name stays usable until the new one is complete, and counts until then.
        let count = self.complete.len() + self.begun.len();
        let replaces = self.complete.contains_key(blob);
        if count >= self.limits.max_blobs as usize && !replaces {
            return Err(too_large(format!("There are already {count} blobs; free some first.")));
        }
        let used: u64 = self.complete.values().map(|b| b.len() as u64).chain(self.begun.values().map(|b| b.size)).sum();
        if used.checked_add(size).is_none_or(|sum| sum > self.limits.max_blob_bytes) {
            return Err(too_large(format!(
                "Blob `{blob}` of {size} bytes does not fit beside the {used} already held; {} are allowed.",
                self.limits.max_blob_bytes
            )));
        }
        // Checked: at most max_blob_bytes. The pages are only touched as chunks arrive.
        self.begun.insert(blob.clone(), Begun { bytes: Vec::with_capacity(size as usize), size, next_chunk: 0 });
        Ok(())
    }

    /// The bytes of a complete blob.
    pub fn get(&self, blob: &Name) -> Result<Arc<Vec<u8>>, Error> {
        self.complete.get(blob).cloned().ok_or_else(|| no_such_blob(blob))
    }

    /// Forgets a blob, complete or begun.
    pub fn free(&mut self, blob: &Name) {
        self.complete.remove(blob);
        self.begun.remove(blob);
    }

    /// Rewrites part of a complete blob; jobs that hold it keep what they have.
    pub fn write(&mut self, write: &Write, tail: &[u8]) -> Result<(), Error> {
        let bytes = self.complete.get_mut(&write.blob).ok_or_else(|| no_such_blob(&write.blob))?;
        write.check(bytes.len() as u64, tail.len() as u64).map_err(|e| e.with("blob", write.blob.as_str()))?;
        write.apply(Arc::make_mut(bytes).as_mut_slice(), tail)
    }
}

fn too_large(message: String) -> Error {
    Error::new(Kind::TooLarge, message)
}

fn no_such_blob(blob: &Name) -> Error {
    Error::new(Kind::NoSuchBlob, format!("There is no complete blob `{blob}` on this connection."))
        .with("blob", blob.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::try_from(text.to_owned()).unwrap()
    }

    fn limits() -> Limits {
        Limits { max_blobs: 2, max_blob_bytes: 10, max_chunk_bytes: 6, ..Limits::default() }
    }

    /// Puts (name, size, chunk, last, tail length) in order; gives the error kinds and what is complete at the end.
    fn puts(rows: &[(&str, u64, u64, bool, usize)]) -> (Vec<Option<Kind>>, Vec<(String, usize)>) {
        let mut blobs = Blobs::new(limits());
        let kinds = rows
            .iter()
            .map(|&(blob, size, chunk, last, len)| {
                blobs.put(&Put { blob: name(blob), size, chunk, last }, &vec![0; len]).err().map(|e| e.kind)
            })
            .collect();
        let mut complete: Vec<_> = blobs.complete.iter().map(|(n, b)| (n.to_string(), b.len())).collect();
        complete.sort();
        (kinds, complete)
    }

    #[test]
    fn chunks_become_blobs_within_the_limits() {
        let (bad, large) = (Some(Kind::InvalidParams), Some(Kind::TooLarge));
        let c1 = |n: usize| vec![("c1".to_owned(), n)];
        for (rows, kinds, complete) in [
            (&[("c1", 8, 0, false, 6), ("c1", 8, 1, true, 2)][..], vec![None, None], c1(8)),
            (&[("c1", 0, 0, true, 0)], vec![None], c1(0)),
            (&[("c1", 8, 0, false, 6), ("c1", 8, 2, true, 2)], vec![None, bad], vec![]),
            (&[("c1", 8, 0, false, 6), ("c1", 9, 1, true, 2)], vec![None, bad], vec![]),
            (&[("c1", 8, 0, true, 6)], vec![bad], vec![]),
            (&[("c1", 2, 0, false, 6)], vec![bad], vec![]),
            (&[("c1", 8, 1, true, 6)], vec![bad], vec![]),
            (&[("s1", 1, 0, true, 1)], vec![bad], vec![]),
            (&[("c1", 7, 0, true, 7)], vec![large], vec![]),
            // Refused once, then silence until it begins anew.
            (&[("c1", 11, 0, false, 6), ("c1", 11, 1, true, 5), ("c1", 1, 0, true, 1)], vec![large, None, None], c1(1)),
            (&[("c1", u64::MAX, 0, false, 6)], vec![large], vec![]),
            (&[("c1", 6, 0, true, 6), ("c2", 5, 0, true, 5)], vec![None, large], c1(6)),
            // A new one takes the old one's place once it is complete.
            (&[("c1", 3, 0, true, 3), ("c1", 5, 0, true, 5)], vec![None, None], c1(5)),
        ] {
            assert_eq!(puts(rows), (kinds, complete), "{rows:?}");
        }
        assert_eq!(
            puts(&[("c1", 1, 0, true, 1), ("c2", 1, 0, false, 0), ("c3", 1, 0, true, 1)]).0,
            [None, None, large]
        );
    }

    #[test]
    fn writing_does_not_touch_what_a_job_holds() {
        let mut blobs = Blobs::new(limits());
        blobs.put(&Put { blob: name("c1"), size: 4, chunk: 0, last: true }, &[1, 2, 3, 4]).unwrap();
        let held = blobs.get(&name("c1")).unwrap();
        let write = Write { blob: name("c1"), offset: 1, stride: 2, row_bytes: 1, rows: 2 };
        blobs.write(&write, &[8, 9]).unwrap();
        assert_eq!(
            (held.as_slice(), blobs.get(&name("c1")).unwrap().as_slice()),
            (&[1, 2, 3, 4][..], &[1, 8, 3, 9][..])
        );
        let gone = Write { blob: name("c9"), ..write };
        assert_eq!(blobs.write(&gone, &[8, 9]).unwrap_err().kind, Kind::NoSuchBlob);
    }
}

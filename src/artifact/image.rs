//! The names of the images in a `docker save` archive, read without a Docker engine.

use std::io::Read;
use std::path::Path;

use serde::Deserialize;

use super::error::{Error, Problem};
use super::unpack::{Limits, refused, walk_file};

/// The manifest lists names and layers only. Bytes.
const BIGGEST_MANIFEST: u64 = 1 << 20;
/// Images are bigger than releases and are unpacked by Docker, not by us; this bounds the reading only.
const LIMITS: Limits = Limits { entries: 100_000, bytes: 64 << 30, ratio: 200 };

/// The names and tags (`eipwork/kuboard:v3.5.2.9`) in a `docker save` archive, compressed with gzip or not, in the
/// archive's order. Reads the whole file.
pub fn image_names(path: impl AsRef<Path>) -> Result<Vec<String>, Error> {
    let path = path.as_ref();
    let mut manifest = None;
    walk_file(path, LIMITS, true, |member, content| {
        if member.name != "manifest.json" {
            return Ok(());
        }
        let mut text = Vec::new();
        content
            .take(BIGGEST_MANIFEST + 1)
            .read_to_end(&mut text)
            .map_err(|error| no_image(error.to_string()))?;
        if text.len() as u64 > BIGGEST_MANIFEST {
            return Err(no_image("its manifest.json is too big"));
        }
        match manifest.replace(text) {
            None => Ok(()),
            Some(_) => Err(no_image("it has two manifests")),
        }
    })?;
    let names =
        manifest.ok_or_else(|| no_image("it has no manifest.json")).and_then(|text| read_names(&text));
    names.map_err(|problem| refused(path, problem))
}

#[derive(Deserialize)]
struct Image {
    /// `null` for an image saved by its id.
    #[serde(rename = "RepoTags")]
    tags: Option<Vec<String>>,
}

fn read_names(text: &[u8]) -> Result<Vec<String>, Problem> {
    let images: Vec<Image> = serde_json::from_slice(text).map_err(|error| no_image(error.to_string()))?;
    let names: Vec<String> = images.into_iter().filter_map(|image| image.tags).flatten().collect();
    // They go into commands and messages: what no image can be called is refused here.
    let plain = |name: &String| {
        !name.is_empty() && name.len() <= 512 && name.bytes().all(|byte| byte.is_ascii_graphic())
    };
    match names.iter().find(|name| !plain(name)) {
        None => Ok(names),
        Some(name) => {
            let shown: String = name.escape_debug().take(80).collect();
            Err(no_image(format!("it names an image {shown:?}")))
        }
    }
}

fn no_image(why: impl Into<String>) -> Problem {
    Problem::NotImage { why: why.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_tags_of_all_images_are_read() {
        let text = br#"[{"Config":"a","RepoTags":["a:1","a:2"],"Layers":[]},{"RepoTags":null},{"RepoTags":["b:3"]}]"#;
        assert_eq!(read_names(text).unwrap(), ["a:1", "a:2", "b:3"]);
        for bad in [&b"{}"[..], b"[{\"RepoTags\":[\"a b\"]}]", b"[{\"RepoTags\":[\"\"]}]", b"[", b""] {
            assert!(read_names(bad).is_err());
        }
    }
}

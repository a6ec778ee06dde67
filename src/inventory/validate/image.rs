//! Kuboard's image: one that stays what it is, of the product that this is for.

use crate::catalog;
use crate::inventory::problem::{Report, Wrong};
use crate::inventory::scalar;
use crate::resource::Sha256Digest;

/// The first version with high availability, by Kuboard's changelog.
const FIRST: [u32; 4] = [3, 5, 1, 0];

/// Tags that are moved by custom.
const MOVING: [&str; 10] =
    ["latest", "stable", "release", "edge", "nightly", "main", "master", "dev", "test", "current"];

pub(super) fn check(image: &str, report: &Report) {
    match fault(image) {
        Err(wrong) => report.refuse("kuboard/image", wrong),
        Ok(Some(advice)) => report.advise(
            "kuboard/image",
            "kuboard.image-tag",
            advice.message,
            advice.hint.unwrap_or_default(),
        ),
        Ok(None) => {}
    }
}

/// What forbids an image, or what speaks against it.
fn fault(image: &str) -> Result<Option<Wrong>, Wrong> {
    const PINNED: &str = "pin a release, as in `eipwork/kuboard:v3.5.2.9`";
    let (name, digest) = match image.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (image, None),
    };
    let tag = catalog::image_tag(name);
    let repository = tag.map_or(name, |tag| &name[..name.len() - tag.len() - 1]);
    let spelled = !repository.is_empty()
        && repository.starts_with(|c: char| c.is_ascii_alphanumeric())
        && repository.split('/').all(|part| !part.is_empty())
        && repository.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-/:".contains(&b))
        && tag.is_none_or(|tag| {
            (1..=128).contains(&tag.len())
                && !tag.starts_with(['.', '-'])
                && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        });
    let digest_spelled =
        digest.is_none_or(|digest| digest.strip_prefix("sha256:").and_then(Sha256Digest::parse).is_some());
    if !spelled || !digest_spelled {
        let message = format!("`{image}` is not the name of an image");
        return Err(Wrong::new(message, "`[REGISTRY/]NAME:TAG`, as in `eipwork/kuboard:v3.5.2.9`"));
    }
    let Some(tag) = tag else {
        return match digest {
            Some(_) => Ok(None),
            None => {
                Err(Wrong::new(format!("`{image}` has no tag, so it floats: replicas could differ"), PINNED))
            }
        };
    };
    let Some(numbers) = numbers(tag) else {
        if digest.is_some() {
            return Ok(None);
        }
        let first = tag.split(['-', '_', '.']).next().unwrap_or(tag);
        if MOVING.contains(&first) {
            return Err(Wrong::new(format!("the tag `{tag}` floats: replicas could differ"), PINNED));
        }
        let message = format!("the tag `{tag}` does not tell a version of Kuboard");
        return Ok(Some(Wrong::new(message, "make sure that it is never moved, or pin it by digest")));
    };
    if numbers[0] != 3 {
        let message = format!("`{tag}` is Kuboard v{}, another product without a way up from v3", numbers[0]);
        return Err(Wrong::new(message, PINNED));
    }
    if numbers.len() < 4 {
        if digest.is_some() {
            return Ok(None);
        }
        return Err(Wrong::new(format!("the tag `{tag}` floats: replicas could differ"), PINNED));
    }
    if numbers[..4] < FIRST[..] {
        let message = format!("Kuboard {tag} cannot run in several replicas");
        return Err(Wrong::new(message, "high availability came with v3.5.1.0"));
    }
    Ok(None)
}

/// The numbers that a version tag starts with, as in `v3.5.2.9-arm64`; `None` for other tags.
fn numbers(tag: &str) -> Option<Vec<u32>> {
    let bare = tag.strip_prefix('v').unwrap_or(tag);
    let version = bare.split(['-', '_']).next().unwrap_or(bare);
    let numbers: Vec<u32> = version.split('.').map(scalar::whole).collect::<Option<_>>()?;
    // A date is no version.
    numbers.first().is_some_and(|major| *major < 100).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_pinned() {
        let digest = format!("@sha256:{}", "a".repeat(64));
        for good in [
            "eipwork/kuboard:v3.5.2.9",
            "swr.cn-east-2.myhuaweicloud.com/kuboard/kuboard:v3.5.2.9",
            "registry.lan:5000/kuboard:v3.5.1.0-arm64",
            &format!("eipwork/kuboard:v3{digest}"),
            &format!("eipwork/kuboard{digest}"),
        ] {
            assert_eq!(fault(good), Ok(None), "{good}");
        }
        for odd in ["lab/stand-in:2024-03-01", "lab/stand-in:build-7"] {
            assert!(matches!(fault(odd), Ok(Some(_))), "{odd}");
        }
    }

    #[test]
    fn what_floats_or_is_another_product_is_refused() {
        for bad in [
            "eipwork/kuboard",
            "eipwork/kuboard:v3",
            "eipwork/kuboard:latest",
            "eipwork/kuboard:v3.5",
            "eipwork/kuboard:v3.5.2",
            "eipwork/kuboard:v3-arm64",
            "eipwork/kuboard:v4",
            "eipwork/kuboard:v4.0.0.1",
            "eipwork/kuboard:v2.0.5.5",
            "registry.lan:5000/kuboard",
            "eipwork/kuboard:v3.5.0.0",
            "eipwork/kuboard:v3.5.2.9@sha256:abc",
            "Eipwork/kuboard:v3.5.2.9",
            "a b:v3.5.2.9",
            "-x:v3.5.2.9",
            "",
            "x:;id",
            "kuboard:latest-arm64",
        ] {
            assert!(fault(bad).is_err(), "{bad}");
        }
    }
}

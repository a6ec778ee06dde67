//! `download` and `image_archive`: an address and digests.

use std::collections::BTreeMap;

use crate::inventory::model::Download;
use crate::inventory::problem::Wrong;
use crate::inventory::read::{Reading, Section};
use crate::inventory::scalar;
use crate::resource::{Arch, shown_address};

/// Reads the section.
pub(super) fn download(reading: Reading<'_>, section: Section<'_>) -> Download {
    let url = section.value("url", |text| source(reading, text));
    let mut sha256 = BTreeMap::new();
    if let Some(below) = section.section("sha256") {
        for (key, arch) in [("amd64", Arch::Amd64), ("arm64", Arch::Arm64)] {
            if let Some(digest) = below.value(key, scalar::sha256) {
                sha256.insert(arch, digest);
            }
        }
        below.close();
    }
    section.close();
    Download { url, sha256 }
}

/// `http(s)://…`, or a path on this machine, made absolute.
fn source(reading: Reading<'_>, text: &str) -> Result<String, Wrong> {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else { break };
        if !["version", "arch"].contains(&name) {
            let message = format!("`{{{name}}}` stands for nothing");
            return Err(Wrong::new(message, "`{version}` and `{arch}` are filled in"));
        }
        rest = after;
    }
    if rest.contains(['{', '}']) {
        return Err(Wrong::new(
            format!("`{}` has an unpaired brace", shown_address(text)),
            "`{version}` and `{arch}` are filled in",
        ));
    }
    match text.split_once("://") {
        Some(("http" | "https", rest)) => {
            let host = rest.split('/').next().unwrap_or("");
            if host.contains('@') {
                let hint = "use an address without a login, or fetch the file yourself and give its path";
                return Err(Wrong::new("the address holds a login: it would show in every plan", hint));
            }
            if host.is_empty() || text.contains([' ', '"', '\'', '\\', '`', '$']) {
                return Err(Wrong::new(
                    format!("`{}` is not an address", shown_address(text)),
                    "as in `https://mirror.example/FILE`",
                ));
            }
            Ok(text.to_owned())
        }
        Some((scheme, _)) => Err(Wrong::new(
            format!("`{scheme}://` is not supported"),
            "`http://`, `https://`, or the plain path of a file on this machine",
        )),
        None => Ok(reading.context.resolve(scalar::path(text)?).to_string_lossy().into_owned()),
    }
}

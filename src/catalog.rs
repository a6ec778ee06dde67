//! What is known of releases: addresses, digests, and which versions to keep away from. Data, and how to
//! look it up.
//!
//! Digests of etcd: upstream's `SHA256SUMS` as two or more public sources repeat them, those between 3.5.7
//! and 3.5.33 partly by one (kubespray's generated table). QuestDB publishes none; that of its no-jre
//! archive is Homebrew's.

use crate::inventory::model::{Download, Etcd, Kuboard, Questdb, QuestdbFlavour};
use crate::resource::{Arch, Artifact, Sha256Digest, shown_address};

/// `(patch, amd64, arm64)` of etcd 3.5.
#[rustfmt::skip]
const ETCD: &[(u32, &str, &str)] = &[
    (6, "4db32e3bc06dd0999e2171f76a87c1cffed8369475ec7aa7abee9023635670fb", "888e25c9c94702ac1254c7655709b44bb3711ebaabd3cb05439f3dd1f2b51a87"),
    (7, "a43119af79c592a874e8f59c4f23832297849d0c479338f9df36e196b86bc396", "1a35314900da7db006b198dd917e923459b462128101736c63a3cda57ecdbf51"),
    (8, "d4c1b8d90ad53658f12ffc293afc5694b7bc6cb093af609188649a799e1cc8dc", "3f4441b293a2d0d4d2f8b2cd9504376e15818f7b865ef4b436e8e6f865f895ff"),
    (9, "d59017044eb776597eca480432081c5bb26f318ad292967029af1f62b588b042", "bb201c106a61bbab59e2d9f37f4bdff99d50201f513c66b4578741eab581fb28"),
    (10, "26e90d024fa2310bc52bb40e7f2132e81640b55f8fc446c00ae07e30af2a44fd", "ff74a6018d9b2a1320bff30e5a11b4f2f5c2a3d147df8a8bad53c01b9f800ee1"),
    (11, "e256885e753dc99001335e099d3c2eb8cf21a865a087ee4d7e3665752ae5929a", "6edf0cddc8fa2d7674129abe2e44d5a37cc3a6e3b500c13c6cbc2ed2ecf08bf4"),
    (12, "f2ff0cb43ce119f55a85012255609b61c64263baea83aa7c8e6846c0938adca5", "31f30c01918771ece28d6e553e0f33be9483ced989896ecf6bbe1edb07786141"),
    (13, "31e6fcbee0e8c3df27cf1ba69b522e338377f5ed6447f5d05700aee367f3b7e7", "2854993bf622764ccdeb7a146fae2965cb0fcba93c5c8f391e0d5f153c8a7a02"),
    (14, "b0b34298f53f6830f08e7ddc57fc74dc45563216a66e94d9e6b0b9e0b0281b34", "90510c79c4aae3c3313691f5770fc53b3ac883338fc0254bf8d22460acd3c19d"),
    (15, "3f6b48d8c2844699f2b19c1880508ecf63e1489769ed37ebb97495d5cd848a89", "5aa28b435edb1f22bf6455f754e16a13e3e4eb1ad8fc7c22ad47aa8e722febf2"),
    (16, "b414b27a5ad05f7cb01395c447c85d3227e3fb1c176e51757a283b817f645ccc", "8e68c55e6d72b791a9e98591c755af36f6f55aa9eca63767822cd8a3817fdb23"),
    (17, "eff6ac621d41711085d0f38fab17d8fa3705f6326c3ff11301a1f5a71fc94edd", "7d717a62520bf39fa1115dfbb1df79479ff74b5eda0914f4132bfa60a48b9549"),
    (18, "6ddde039a7a506badf34e7edfb38e1ea90e36f05c8cfceba602045df623d86fa", "c2bcaf465537d6d47c8bb82a69e31f786f32257050e3bca445bc4e63479ec714"),
    (19, "16ae742def5f330800590e8d505d72830a3b0b7012e559e6bd76f0bc9864bf42", "a786fd2c92c3c0404586ffedf1b318e4944a17aefed1fa6566f5712ddb8359ad"),
    (20, "9ac85616fb8c0e45f485074dde0258ca2b7b42f1dd5320821af5a8b66daf7072", "f034232e6fb64b0d89c45fd78b8b4c3e9fb8d69605dddddcdebf5d7cd96a1531"),
    (21, "adddda4b06718e68671ffabff2f8cee48488ba61ad82900e639d108f2148501c", "95bf6918623a097c0385b96f139d90248614485e781ec9bee4768dbb6c79c53f"),
    (22, "20174ab70a6f3df94da13ecac4610f42c47d25af82426f21c112c2c841ec499a", "22aca5a253c4a9f2850300b0a1dd209587586ff0e985f5cb1c34e9e5edc07848"),
    (24, "042497e2ddcee06f22e5d486d81f58affa26b53ee423e2a6aaca3d3ea98c8191", "efc01f6b3fbef0f000cb53bcad4845c116d7fdd8769ca39d9c40d2fe4d2e509f"),
    (26, "0a682a91201dc8351d507210bc30b021a11e254eab806f03224b51e8fad29abb", "93ac1667df0e178ea6d152476ce4088df4075604fe4bc7f85f4719e863cd030b"),
    (28, "e11b6fab2ffbf0a1d6ee8f6227594045a19e0974ec779c42b8b5bb1942b2abe0", "779a741604d2ff45240b277812f6c300bca71754adfd8de1436a3f2df3a18e67"),
    (30, "a495115162845640be08c6cda069ff961260dbced53207c5a83b1b006ff2ea8e", "4d19473d2567a58e1dbf556e0813b91d506666e58d23bfd5370660c67639eb5e"),
    (32, "83532f9290ee89106c4c9d0467220f65623c1faadaab800d727f7beccce4d7dd", "89f3ec49bc026c77ab5862c34f0623f09b48ec75e659082c92829669c6e36b3c"),
    (33, "5025b5b24d81a9616b6e284ccd439b9a3df055ef8fdcdc142af3ec8f6a3b3c95", "0764c5c0acef155f4bfa0487791cc5776adef66315bf16ec0653883bfd463a90"),
];

const QUESTDB_NO_JRE: &[(&str, &str)] =
    &[("6.6.1", "1dbe6af2dbf7465044542380cab2ce9273c5dfc4b62b50342b237b5cd891a68d")];

/// `(fixed in patch, what was wrong before)`, from etcd's CHANGELOG-3.5. Those that lose or corrupt data, or
/// open it, come first to mind: they are what an advisory tells.
const ETCD_FIXES: &[(u32, &str)] = &[
    (3, "a crash may leave a member with inconsistent data"),
    (4, "a member with authentication enabled panics on start"),
    (5, "a single member may lose acknowledged writes"),
    (6, "a crash during defragmentation may corrupt the revision"),
    (7, "a torn last WAL record is not repaired"),
    (8, "CVE-2021-28235: passwords leak through the debug interface"),
    (9, "CVE-2023-32082: lease keys are readable without permission"),
    (10, "HTTP/2 rapid reset exhausts the server"),
    (13, "watch events may be lost"),
    (14, "the revision may decrease after a panic"),
    (17, "a transaction may be applied in part"),
    (23, "a snapshot applied during defragmentation may corrupt the database"),
    (26, "a promoted member may be forgotten"),
    (28, "CVE-2026-33413 and CVE-2026-33343: authorization can be bypassed"),
    (30, "a dead member cannot be replaced without removing it first"),
];

/// Upstream's word on 3.5.0 to 3.5.2: not for production.
const ETCD_REFUSED_BELOW: u32 = 3;

/// Why a version is better not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advisory {
    /// Too dangerous to install.
    pub refused: bool,
    /// What is wrong with it.
    pub reason: String,
    /// The version to use instead.
    pub better: String,
}

/// The product of an image archive, which `docker load` unpacks.
pub const IMAGE: &str = "kuboard-image";

/// A release that cannot be verified, hence not installed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no digest of {product} {version} for {arch} is known")]
pub struct NoDigest {
    /// As in [`Artifact::product`].
    pub product: String,
    /// As in [`Artifact::version`].
    pub version: String,
    /// For which architecture.
    pub arch: Arch,
    /// What to do about it, literally.
    pub hint: String,
}

/// What is held against a version of etcd; `None` for the newest known and for what is not 3.5.
pub fn advisory(version: &str) -> Option<Advisory> {
    let patch = etcd_patch(version)?;
    let reasons: Vec<String> = ETCD_FIXES
        .iter()
        .filter(|(fixed, _)| *fixed > patch)
        .map(|(fixed, what)| format!("{what} (fixed in 3.5.{fixed})"))
        .collect();
    let newest = newest_etcd();
    if reasons.is_empty() || etcd_patch(&newest)? <= patch {
        return None;
    }
    // A dozen reasons are not read: the three oldest bugs that the version still has speak for the rest.
    let told = reasons.iter().take(3).cloned().collect::<Vec<_>>().join("; ");
    let reason = match reasons.len().checked_sub(3) {
        Some(more) if more > 0 => format!("{told}; and {more} more"),
        _ => told,
    };
    Some(Advisory { refused: patch < ETCD_REFUSED_BELOW, reason, better: newest })
}

/// The patch of a plain `3.5.PATCH`.
pub fn etcd_patch(version: &str) -> Option<u32> {
    let patch = version.strip_prefix("3.5.")?;
    let plain = patch == "0" || !patch.starts_with('0');
    (plain && patch.bytes().all(|b| b.is_ascii_digit())).then(|| patch.parse().ok()).flatten()
}

/// The newest etcd whose digests are built in.
pub fn newest_etcd() -> String {
    format!("3.5.{}", ETCD.iter().map(|(patch, ..)| *patch).max().unwrap_or_default())
}

/// The digest of upstream's etcd release.
pub fn etcd_digest(version: &str, arch: Arch) -> Option<Sha256Digest> {
    let patch = etcd_patch(version)?;
    let (_, amd64, arm64) = ETCD.iter().find(|(known, ..)| *known == patch)?;
    Sha256Digest::parse(match arch {
        Arch::Amd64 => amd64,
        Arch::Arm64 => arm64,
    })
}

/// The digest of QuestDB's archive without Java, one for all architectures.
pub fn questdb_no_jre_digest(version: &str) -> Option<Sha256Digest> {
    let (_, digest) = QUESTDB_NO_JRE.iter().find(|(known, _)| *known == version)?;
    Sha256Digest::parse(digest)
}

/// etcd's release for hosts of `arch`.
pub fn etcd_artifact(etcd: &Etcd, arch: Arch) -> Result<Artifact, NoDigest> {
    let upstream =
        "https://github.com/etcd-io/etcd/releases/download/v{version}/etcd-v{version}-linux-{arch}.tar.gz";
    let release = Release { product: "etcd", version: &etcd.version, upstream, key: "etcd.download" };
    release.artifact(arch, etcd.download.as_ref(), etcd_digest(&etcd.version, arch))
}

/// QuestDB's release for a host of `arch`.
pub fn questdb_artifact(questdb: &Questdb, arch: Arch) -> Result<Artifact, NoDigest> {
    let (upstream, built_in) = match questdb.flavour {
        QuestdbFlavour::Rt => (
            "https://github.com/questdb/questdb/releases/download/{version}/questdb-{version}-rt-linux-{arch}.tar.gz",
            None,
        ),
        QuestdbFlavour::NoJre => (
            "https://github.com/questdb/questdb/releases/download/{version}/questdb-{version}-no-jre-bin.tar.gz",
            questdb_no_jre_digest(&questdb.version),
        ),
    };
    let release =
        Release { product: "questdb", version: &questdb.version, upstream, key: "questdb.download" };
    if questdb.flavour == QuestdbFlavour::Rt && arch == Arch::Arm64 {
        return Err(NoDigest {
            hint: "QuestDB brings its own Java for amd64 only: write `flavour: no-jre`".to_owned(),
            ..release.no_digest(arch, "")
        });
    }
    release.artifact(arch, questdb.download.as_ref(), built_in)
}

/// The archive of Kuboard's image; `None` where images come from a registry alone.
pub fn image_artifact(kuboard: &Kuboard, arch: Arch) -> Option<Result<Artifact, NoDigest>> {
    let archive = kuboard.image_archive.as_ref()?;
    let version = image_tag(&kuboard.image).unwrap_or("unversioned");
    let release = Release { product: IMAGE, version, upstream: "", key: "kuboard.image_archive" };
    Some(release.artifact(arch, Some(archive), None))
}

/// The tag of an image reference, without its digest.
pub fn image_tag(image: &str) -> Option<&str> {
    let name = image.split('@').next().unwrap_or(image);
    let (before, tag) = name.rsplit_once(':')?;
    // `registry:5000/image` has a port there, no tag.
    (!tag.contains('/') && !before.is_empty()).then_some(tag)
}

/// A release as it is named, wherever it comes from.
struct Release<'a> {
    product: &'a str,
    version: &'a str,
    upstream: &'a str,
    key: &'a str,
}

impl Release<'_> {
    fn artifact(
        &self,
        arch: Arch,
        download: Option<&Download>,
        built_in: Option<Sha256Digest>,
    ) -> Result<Artifact, NoDigest> {
        let address = download.and_then(|download| download.url.as_deref()).unwrap_or(self.upstream);
        let source = address.replace("{version}", self.version).replace("{arch}", &arch.to_string());
        let given = download.and_then(|download| download.sha256.get(&arch)).cloned();
        let Some(sha256) = given.or(built_in) else { return Err(self.no_digest(arch, &source)) };
        Ok(Artifact { product: self.product.to_owned(), version: self.version.to_owned(), source, sha256 })
    }

    fn no_digest(&self, arch: Arch, source: &str) -> NoDigest {
        let file = source.rsplit('/').next().unwrap_or(source);
        let fetch = if source.starts_with("http") {
            format!("`curl -fLO {}` and ", shown_address(source))
        } else {
            String::new()
        };
        NoDigest {
            product: self.product.to_owned(),
            version: self.version.to_owned(),
            arch,
            hint: format!(
                "run {fetch}`sha256sum {file}`, compare with what the publisher says if it says anything, \
                 and write the digest to `{}.sha256.{arch}`",
                self.key,
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::resource::HostName;

    fn etcd(version: &str, download: Option<Download>) -> Etcd {
        Etcd {
            hosts: Vec::new(),
            version: version.to_owned(),
            data_dir: "/var/lib/etcd".to_owned(),
            client_port: 2379,
            peer_port: 2380,
            heartbeat_interval: Duration::from_millis(250),
            election_timeout: Duration::from_secs(5),
            settings: BTreeMap::new(),
            download,
        }
    }

    fn questdb(flavour: QuestdbFlavour, sha256: &[(Arch, char)]) -> Questdb {
        let digest = |digit: char| Sha256Digest::parse(&digit.to_string().repeat(64)).unwrap();
        Questdb {
            host: HostName::new("q"),
            version: "6.6.1".to_owned(),
            flavour,
            data_dir: "/var/lib/questdb".to_owned(),
            heap: 1 << 30,
            password: None,
            download: Some(Download {
                url: None,
                sha256: sha256.iter().map(|(arch, digit)| (*arch, digest(*digit))).collect(),
            }),
        }
    }

    #[test]
    fn every_built_in_digest_is_one_and_none_stands_twice() {
        let mut seen = std::collections::BTreeSet::new();
        for (patch, amd64, arm64) in ETCD {
            for digest in [amd64, arm64] {
                assert!(Sha256Digest::parse(digest).is_some(), "3.5.{patch}");
                assert!(seen.insert(digest), "3.5.{patch}");
            }
        }
        assert!(questdb_no_jre_digest("6.6.1").is_some());
    }

    #[test]
    fn an_advisory_says_what_a_version_lacks_and_what_has_it() {
        for refused in ["3.5.0", "3.5.1", "3.5.2"] {
            assert!(advisory(refused).unwrap().refused, "{refused}");
        }
        let manual = advisory("3.5.6").unwrap();
        assert!(!manual.refused && manual.reason.starts_with("a torn last WAL record"), "{}", manual.reason);
        assert_eq!(manual.better, newest_etcd());
        assert_eq!(advisory("3.5.28").unwrap().reason.matches("fixed in").count(), 1);
        for fine in ["3.5.33", "3.5.99", "3.6.14", "3.5.06", "3.5.", "3.5.x"] {
            assert_eq!(advisory(fine), None, "{fine}");
        }
    }

    #[test]
    fn a_mirror_of_a_known_release_needs_no_digest() {
        let mirror = Download {
            url: Some("http://mirror.lan/{arch}/etcd-{version}.tar.gz".to_owned()),
            sha256: BTreeMap::new(),
        };
        let artifact = etcd_artifact(&etcd("3.5.6", Some(mirror)), Arch::Arm64).unwrap();
        assert_eq!(artifact.source, "http://mirror.lan/arm64/etcd-3.5.6.tar.gz");
        assert!(artifact.sha256.as_str().starts_with("888e25c9"));
    }

    #[test]
    fn an_unknown_release_is_refused_with_the_command() {
        let refusal = etcd_artifact(&etcd("3.5.99", None), Arch::Amd64).unwrap_err();
        assert_eq!(refusal.to_string(), "no digest of etcd 3.5.99 for amd64 is known");
        assert!(refusal.hint.contains("`sha256sum etcd-v3.5.99-linux-amd64.tar.gz`"), "{}", refusal.hint);
        assert!(refusal.hint.contains("`etcd.download.sha256.amd64`"), "{}", refusal.hint);
    }

    #[test]
    fn questdb_with_java_needs_a_digest_and_amd64() {
        use QuestdbFlavour::{NoJre, Rt};
        assert!(questdb_artifact(&questdb(Rt, &[]), Arch::Amd64).is_err());
        let artifact = questdb_artifact(&questdb(Rt, &[(Arch::Amd64, 'a')]), Arch::Amd64).unwrap();
        assert!(
            artifact.source.ends_with("/6.6.1/questdb-6.6.1-rt-linux-amd64.tar.gz"),
            "{}",
            artifact.source
        );
        let refusal = questdb_artifact(&questdb(Rt, &[(Arch::Arm64, 'a')]), Arch::Arm64).unwrap_err();
        assert!(refusal.hint.contains("no-jre"), "{}", refusal.hint);
        let [one, other] =
            [Arch::Amd64, Arch::Arm64].map(|arch| questdb_artifact(&questdb(NoJre, &[]), arch));
        assert_eq!(one, other);
    }

    #[test]
    fn a_tag_is_told_from_a_port() {
        assert_eq!(image_tag("registry:5000/kuboard"), None);
        assert_eq!(image_tag("registry:5000/kuboard:v3.5.2.9"), Some("v3.5.2.9"));
        assert_eq!(image_tag("kuboard:v3@sha256:00"), Some("v3"));
        assert_eq!(image_tag("kuboard@sha256:00"), None);
    }
}

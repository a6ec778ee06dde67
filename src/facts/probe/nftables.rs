//! nftables' own listing, for `firewall`.

use std::collections::{BTreeMap, BTreeSet};

use super::firewall::Rules;

/// A chain: its table's family and name, and its own.
type Name<'t> = ((&'t str, &'t str), &'t str);

/// `nft list ruleset`: base chains hooked into input that drop, and the chains they jump to.
pub(super) fn nftables(lines: &[&str], found: &mut Rules) {
    let mut chains: BTreeMap<Name<'_>, Vec<&str>> = BTreeMap::new();
    let (mut table, mut chain) = (("", ""), "");
    for line in lines.iter().map(|line| line.trim()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["table", family, name, ..] => table = (family, name),
            ["chain", name, ..] => chain = name,
            ["}"] => chain = "",
            _ if !chain.is_empty() && !line.is_empty() => {
                chains.entry((table, chain)).or_default().push(line);
            }
            _ => {}
        }
    }
    let bases: Vec<Name<'_>> = chains
        .iter()
        .filter(|(((family, _), _), rules)| {
            let hooked =
                rules.iter().any(|rule| rule.starts_with("type filter") && rule.contains("hook input"));
            let drops = rules.iter().any(|rule| rule.contains("policy drop"))
                || rules.last().is_some_and(|last| is_verdict(last, "drop") || is_verdict(last, "reject"));
            hooked && drops && !["bridge", "netdev"].contains(family)
        })
        .map(|(name, _)| *name)
        .collect();
    found.fact.drops = !bases.is_empty();
    found.fact.chain =
        bases.first().map(|((family, table), chain)| format!("{family} {table} {chain}")).unwrap_or_default();
    let mut visited = BTreeSet::new();
    // A list of what is still to be read: chains may jump as deep as they like.
    let mut ahead = bases;
    while let Some(name) = ahead.pop() {
        if visited.insert(name) {
            let jumps = chains.get(&name).into_iter().flatten().filter_map(|rule| read(rule, found));
            ahead.extend(jumps.map(|next| (name.0, next)));
        }
    }
}

/// Whether a rule without any match ends the chain this way.
fn is_verdict(rule: &str, verdict: &str) -> bool {
    rule.split_whitespace().next() == Some(verdict)
        || (rule.starts_with("counter ") && rule.split_whitespace().any(|word| word == verdict))
}

/// Reads one rule; gives the chain that it leads to, if it leads to one.
fn read<'t>(rule: &'t str, found: &mut Rules) -> Option<&'t str> {
    let words: Vec<&str> = rule.split_whitespace().collect();
    let after = |what: &str| words.iter().position(|word| *word == what).and_then(|at| words.get(at + 1));
    if let Some(next) = after("jump").or_else(|| after("goto")) {
        return Some(next);
    }
    let elsewhere =
        rule.contains("!=") || words.iter().any(|word| ["iif", "iifname", "daddr"].contains(word));
    if words.last() != Some(&"accept") || elsewhere {
        return None;
    }
    let sources: Vec<String> = values(rule, "saddr ");
    let protocols = [values(rule, "ip protocol "), values(rule, "l4proto ")].concat();
    if rule.contains("tcp dport ") {
        found.accept(&values(rule, "tcp dport ").join(","), &sources);
    } else if protocols.iter().any(|protocol| protocol == "vrrp" || protocol == "112") {
        found.fact.vrrp = true;
    } else if rule.contains("saddr ") && !rule.contains("dport") && protocols.is_empty() {
        found.fact.trusted.extend(sources);
    }
    None
}

/// The values behind `key`: one, or a set in braces.
fn values(rule: &str, key: &str) -> Vec<String> {
    let Some(at) = rule.find(key) else { return Vec::new() };
    let rest = &rule[at + key.len()..];
    let list = match rest.strip_prefix('{') {
        Some(set) => set.split('}').next().unwrap_or_default(),
        None => rest.split_whitespace().next().unwrap_or_default(),
    };
    list.split(',').map(|value| value.trim().to_owned()).filter(|value| !value.is_empty()).collect()
}

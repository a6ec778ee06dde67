//! Templates into content. What is undefined is an error, and secrets are placeholders that become parts:
//! a template says `{{ secret("questdb-password", "systemd-env") }}` and never sees the value.

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value};

use crate::resource::{Content, Part, SecretForm};
use crate::secret::SecretId;

/// Frames a placeholder in rendered text; neither templates nor validated values hold it.
const FRAME: char = '\u{1}';

/// A template that is built in: its path below `templates/` and its text.
#[derive(Clone, Copy, Debug)]
pub struct Template {
    /// `etcd/etcd.env`.
    pub name: &'static str,
    /// As it stands in the file.
    pub text: &'static str,
}

/// Names a file below `templates/`, read when the program is built.
#[macro_export]
macro_rules! template {
    ($name:literal) => {
        $crate::render::Template {
            name: $name,
            text: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/", $name, ".j2")),
        }
    };
}

/// Why a template could not be rendered: a defect of this program, or a value that the validation let through.
#[derive(Debug, thiserror::Error)]
#[error("template {name} could not be rendered")]
pub struct RenderError {
    /// The template.
    pub name: &'static str,
    /// What minijinja said.
    #[source]
    pub source: Error,
}

/// Fills a template. Blocks take no line of their own; the last newline stays.
/// Values are made with [`minijinja::context!`], lists of structs wrapped in [`minijinja::value::Serde`].
pub fn render(template: Template, values: &Value) -> Result<Content, RenderError> {
    fill(template, values).map_err(|source| RenderError { name: template.name, source })
}

fn fill(template: Template, values: &Value) -> Result<Content, Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(
        SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build()?,
    );
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.add_function("secret", placeholder);
    environment.add_template(template.name, template.text)?;
    parts(&environment.get_template(template.name)?.render(values)?)
}

fn placeholder(id: &str, form: &str) -> String {
    format!("{FRAME}{id} {form}{FRAME}")
}

fn parts(rendered: &str) -> Result<Content, Error> {
    let mut parts = Vec::new();
    for (index, piece) in rendered.split(FRAME).enumerate() {
        if index % 2 == 0 {
            if !piece.is_empty() {
                parts.push(Part::Text(piece.to_owned()));
            }
            continue;
        }
        let broken = || Error::new(ErrorKind::InvalidOperation, format!("bad secret placeholder {piece:?}"));
        let (id, form) = piece.split_once(' ').ok_or_else(broken)?;
        let form = match form {
            "raw" => SecretForm::Raw,
            "url" => SecretForm::Url,
            "systemd-env" => SecretForm::SystemdEnv,
            _ => return Err(broken()),
        };
        parts.push(Part::Secret { id: SecretId::new(id), form });
    }
    Ok(Content(parts))
}

#[cfg(test)]
mod tests {
    use minijinja::context;

    use super::*;

    const SAMPLE: Template = Template {
        name: "sample",
        text: "A={{ a }}\n{% if b %}\nB\n{% endif %}\nP={{ secret('p', 'url') }}@\n",
    };

    #[test]
    fn secrets_become_parts() {
        let content = render(SAMPLE, &context! { a => 1, b => false }).unwrap();
        assert_eq!(
            content.0,
            vec![
                Part::Text("A=1\nP=".into()),
                Part::Secret { id: SecretId::new("p"), form: SecretForm::Url },
                Part::Text("@\n".into()),
            ]
        );
    }

    #[test]
    fn undefined_values_are_errors() {
        assert!(render(SAMPLE, &context! { a => 1 }).is_err());
        assert!(render(SAMPLE, &context! { b => true }).is_err());
    }
}

//! Exercises: the task with its hints folded, and the solution on a page of its own.

use super::markdown;
use crate::paths;

/// The folder that holds them.
pub const FOLDER: &str = "lessons/exercises";

/// The exercise's folder that a file is in, if it is in one.
pub fn exercise_of(path: &str) -> Option<&str> {
    let rest = path.strip_prefix(FOLDER)?.strip_prefix('/')?;
    let (slug, _) = rest.split_once('/')?;
    let is_number = slug.get(..2).is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
    is_number.then(|| &path[..FOLDER.len() + 1 + slug.len()])
}

/// The exercise whose solution a file is.
pub fn solved_by(path: &str) -> Option<&str> {
    exercise_of(path).filter(|folder| path[folder.len()..] == *"/solution/main.rs")
}

/// The hints, each folded, as what follows a task. Their headings `## 1` name the levels.
pub fn folded(hints: &str) -> String {
    let mut made = String::from("\n## Hints\n\n");
    let mut open = false;
    let mut in_fence = false;
    for line in hints.lines() {
        in_fence ^= line.trim_start().starts_with("```");
        if let Some(level) = line.strip_prefix("## ").filter(|_| !in_fence) {
            made.push_str(if open { "\n</details>\n\n" } else { "" });
            let level = level.trim();
            made.push_str(&format!("<details>\n<summary>Hint {level}</summary>\n\n"));
            open = true;
        } else if open {
            made.push_str(line);
            made.push('\n');
        }
    }
    made + if open { "\n</details>\n" } else { "" }
}

/// The solution's page. `task` is the way back.
pub fn solution(title: &str, path: &str, text: &str, task: &str) -> String {
    format!(
        "# {title}: a solution\n\nOne of many that hold. [Back to the task]({task})\n\n<details>\n\
         <summary>Show {}</summary>\n\n{}\n</details>\n",
        paths::name(path),
        markdown::fenced(text, markdown::language(path), ""),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_folded_by_level() {
        let made = folded("# Hints\n\n## 1\n\nLook.\n\n```text\n## 9\n```\n\n## 2\n\nThere.\n");
        assert_eq!(made.matches("<details>").count(), 2);
        assert_eq!(made.matches("</details>").count(), 2);
        assert!(made.contains("<summary>Hint 2</summary>\n\n\nThere.\n"), "{made}");
        assert!(!made.contains("Hint 9"));
    }

    #[test]
    fn a_file_knows_its_exercise() {
        let path = "lessons/exercises/04-chunks/solution/main.rs";
        assert_eq!(exercise_of(path), Some("lessons/exercises/04-chunks"));
        assert_eq!(solved_by(path), Some("lessons/exercises/04-chunks"));
        assert_eq!(solved_by("lessons/exercises/04-chunks/src/main.rs"), None);
        assert_eq!(exercise_of("lessons/exercises/README.md"), None);
    }
}

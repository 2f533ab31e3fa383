//! Tables for the terminal and for Markdown.

use harness::table::{NO_VALUE, Table};

fn table() -> Table {
    let mut table = Table::new("speed", ["server", "× Node"]);
    table.rows.push(["tokio", "12.5"].map(str::to_owned).into());
    table.rows.push(["node", NO_VALUE].map(str::to_owned).into());
    table
}

#[test]
fn columns_are_aligned() {
    let expected = "speed\nserver  × Node\ntokio     12.5\nnode         –\n";
    assert_eq!(table().to_string(), expected);
}

#[test]
fn markdown_contains_the_same_cells() {
    let expected = "### speed\n\n| server | × Node |\n| --- | ---: |\n| tokio | 12.5 |\n";
    assert_eq!(table().to_markdown(), format!("{expected}| node | – |\n"));
    assert!(table().has_values());
    assert!(!Table { rows: vec![vec!["node".into(), NO_VALUE.into()]], ..table() }.has_values());
}

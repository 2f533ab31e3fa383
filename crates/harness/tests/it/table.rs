//! Tests the format of tables.

use harness::table::Table;

fn table() -> Table {
    let mut table = Table::new("speed", ["server", "× Node"]);
    table.push("tokio", [Some("12.5".to_owned())]);
    table.push("node", [None]);
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
    let mut without = Table::new("speed", ["server", "× Node"]);
    without.push("node", [None]);
    assert!(!without.has_values());
}

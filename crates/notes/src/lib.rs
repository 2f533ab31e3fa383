//! Keeps the lessons true to the code, and makes the book of them.

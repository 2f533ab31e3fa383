//! What measures servers.
//!
//! [`load`] is a client that asks little of the machine, so that what is seen is the server. The
//! programs of this package are `load`, which is its command line, and `peers`, which lets the kit's
//! servers race against each other and against those that people know.

pub mod load;
pub mod units;

//! The programs that a measurement runs inside a guest.

//! A QEMU TCG plugin that counts the instructions of a guest.

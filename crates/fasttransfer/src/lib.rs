//! fasttransfer

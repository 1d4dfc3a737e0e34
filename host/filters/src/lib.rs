//! Runs third-party wasm filters: manifest, sandbox, chain.

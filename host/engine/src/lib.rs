//! Turns a plan into pixels: weights, text encoders, denoisers, samplers, VAE, previews.

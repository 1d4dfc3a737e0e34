"""The starter's shape: Stable Diffusion 1.x in miniature, made of diffusers' and transformers' own classes.

11.9 million parameters: 23.8 MB in f16. Widths were chosen for two CPU cores: most of the work of a step lies at 16 x 16 and 8 x 8 latents,
and the autoencoder's full-resolution layers are only 16 channels wide.
"""
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

LENGTH = 77
WIDTH = 128
LATENTS = 6


def vae():
    """256 x 256 x 3 to 32 x 32 x 6 and back. Two groups only: with two channels a group, as eight would give at full resolution, a norm
    takes away the very brightness and colour that must come through."""
    return AutoencoderKL(
        in_channels=3, out_channels=3, latent_channels=LATENTS, layers_per_block=1, norm_num_groups=2, sample_size=256,
        block_out_channels=(16, 32, 96, 96), down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4, force_upcast=False)


def unet():
    """Predicts the velocity in 6 x 32 x 32 latents, reading texts 128 wide. Heads are 32 wide."""
    return UNet2DConditionModel(
        sample_size=32, in_channels=LATENTS, out_channels=LATENTS, layers_per_block=1, block_out_channels=(64, 128, 160),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH, attention_head_dim=(2, 4, 5), norm_num_groups=16)


def text(tokens, start, end):
    """CLIP's text tower with `tokens` rows."""
    return CLIPTextModel(CLIPTextConfig(
        vocab_size=tokens, hidden_size=WIDTH, intermediate_size=4 * WIDTH, num_hidden_layers=4, num_attention_heads=4,
        max_position_embeddings=LENGTH, hidden_act="quick_gelu", projection_dim=WIDTH,
        bos_token_id=start, eos_token_id=end, pad_token_id=end))


def scheduler():
    """Velocity on Stable Diffusion's kind of betas, ending noisier (sigma 62 instead of 14.6), since at 32 x 32 latents
    the picture's mean would show through the published end."""
    return DDIMScheduler(
        num_train_timesteps=1000, beta_start=0.00085, beta_end=0.02, beta_schedule="scaled_linear",
        prediction_type="v_prediction", clip_sample=False, set_alpha_to_one=False, steps_offset=1,
        timestep_spacing="linspace")

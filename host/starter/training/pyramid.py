"""How the autoencoder begins: as a pyramid of averages.

An untrained encoder finds light and orange-against-blue within seconds and green-against-magenta, whose deviation over the studies is a
quarter of theirs, never. So it begins with weights by which the first three latents are the 8 x 8 cells' mean opponent colours, each
at unit deviation, and by which the decoder paints these cells flat. All the rest (three latents, and every residual branch) learns from there.

Norms and SiLU stand in the way of a straight line, in one place each in encoder and decoder; a colour c travels as the pair c, -c, since
silu(c) - silu(-c) = c, beside a pair of constants so large that a group's deviation, by which the norm divides, is about the same for every picture.
"""
import torch

# Rows: light, red against blue, green against magenta, of an RGB within -1 to 1; and their deviations over the studies.
OPPONENT = torch.tensor([[1 / 3, 1 / 3, 1 / 3], [0.5, 0.0, -0.5], [-0.5, 1.0, -0.5]])
DEVIATION = torch.tensor([0.43, 0.2, 0.058])
CONSTANT = 6.0
PAIRS = 8


def begin(model, x):
    """Sets the weights of `model` (`shape.vae()`); `x`, pictures `[B, 3, 256, 256]`, are what scales are measured on."""
    encoder, decoder, latents = model.encoder, model.decoder, model.config.latent_channels
    with torch.no_grad():
        for part in (encoder, decoder):
            blocks = [*getattr(part, "down_blocks", []), *getattr(part, "up_blocks", []), part.mid_block]
            for block in blocks:
                for resnet in block.resnets:
                    _silence(resnet.conv2)
                    if resnet.conv_shortcut is not None:
                        _pass(resnet.conv_shortcut)
            for attention in part.mid_block.attentions:
                _silence(attention.to_out[0])
        for block in encoder.down_blocks[:-1]:
            # Padded to the right and below only: the first two taps of three.
            _pass(block.downsamplers[0].conv, [(0, 0), (0, 1), (1, 0), (1, 1)])
        for block in decoder.up_blocks[:-1]:
            _pass(block.upsamplers[0].conv)
        colours = OPPONENT / DEVIATION[:, None]
        _pair(encoder.conv_in, colours)
        _pair(decoder.conv_in, torch.eye(3, latents))
        for square in (model.quant_conv, model.post_quant_conv):
            square.weight.copy_(torch.eye(square.weight.shape[0]).view_as(square.weight)), square.bias.zero_()
        _unpair(encoder.conv_out, torch.eye(3))
        # The posterior's logarithm of variance.
        encoder.conv_out.weight[latents:], encoder.conv_out.bias[latents:] = 0, -5
        _unpair(decoder.conv_out, torch.linalg.inv(colours))
        # What the norms have made smaller becomes as large as it was.
        told = model.encode(x).latent_dist.mean
        for i in range(3):
            encoder.conv_out.weight[i] /= told[:, i].std()
        encoder.conv_out.weight[3:latents] /= told[:, 3:].std()
        encoder.conv_out.bias[:latents] = 0
        y = model.decode(model.encode(x).latent_dist.mean).sample
        decoder.conv_out.weight *= (x * y).sum() / (y * y).sum()


def _silence(layer):
    layer.weight.zero_(), layer.bias.zero_()


def _pass(conv, taps=None):
    """The first PAIRS channels go through, averaged over `taps` (the middle one, where none are named)."""
    middle = conv.weight.shape[-1] // 2
    taps = taps or [(middle, middle)]
    conv.weight[:PAIRS] = 0
    conv.bias[:PAIRS] = 0
    for i in range(PAIRS):
        for row, column in taps:
            conv.weight[i, i, row, column] = 1 / len(taps)


def _pair(conv, rows):
    """Channels 0 to 5: `rows` and their opposites; 6 and 7: the constants."""
    conv.weight[:PAIRS] = 0
    conv.bias[:PAIRS] = torch.tensor([0.0] * 6 + [CONSTANT, -CONSTANT])
    conv.weight[:6, :, 1, 1] = torch.cat([rows, -rows])


def _unpair(conv, rows):
    """Out of pairs: `rows` of the three colours."""
    conv.weight[:len(rows)] = 0
    conv.bias[:len(rows)] = 0
    conv.weight[:len(rows), :6, 1, 1] = torch.cat([rows, -rows], 1)

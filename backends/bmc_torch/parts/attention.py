"""What programs in PyTorch bring of their own: attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bmc_programs.model_parts.positions import bucket_edges


def rotate(x: Tensor, theta: float) -> Tensor:
    """Turn pairs (i, i + size / 2) by angles that grow with the position."""
    wide = torch.promote_types(x.dtype, torch.float32)  # half would mix up positions
    steps = torch.arange(x.shape[-2], dtype=wide, device=x.device)
    pairs = torch.arange(0, x.shape[-1], 2, dtype=wide, device=x.device)
    angles = steps.unsqueeze(1) * theta ** (-pairs / x.shape[-1])
    cosine, sine = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cosine - b * sine, b * cosine + a * sine), dim=-1)


def rotate_neighbours(x: Tensor, theta: float) -> Tensor:
    """Turn pairs (2 i, 2 i + 1) by angles that grow with the position."""
    wide = torch.promote_types(x.dtype, torch.float32)  # half would mix up positions
    steps = torch.arange(x.shape[-2], dtype=wide, device=x.device)
    pairs = torch.arange(0, x.shape[-1], 2, dtype=wide, device=x.device)
    angles = steps.unsqueeze(1) * theta ** (-pairs / x.shape[-1])
    cosine, sine = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    a, b = x[..., 0::2], x[..., 1::2]
    turned = (a * cosine - b * sine, b * cosine + a * sine)
    return torch.stack(turned, dim=-1).flatten(-2)


def rotate_by(x: Tensor, rates: list[float], gain: float = 1.0) -> Tensor:
    """Turn pairs (i, i + size / 2) by a rate for each times the position."""
    wide = torch.promote_types(x.dtype, torch.float32)  # half would mix up positions
    steps = torch.arange(x.shape[-2], dtype=wide, device=x.device)
    angles = torch.outer(steps, torch.tensor(rates, dtype=wide, device=x.device))
    cosine = (angles.cos() * gain).to(x.dtype)
    sine = (angles.sin() * gain).to(x.dtype)
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cosine - b * sine, b * cosine + a * sine), dim=-1)


def alibi(heads: int, x: Tensor) -> Tensor:
    """Return penalties for distance (Press et al. 2022): (heads, T, T)."""
    wide = torch.promote_types(x.dtype, torch.float32)  # half would mix up positions
    powers = torch.arange(1, heads + 1, dtype=wide, device=x.device)
    steps = torch.arange(x.shape[-2], dtype=wide, device=x.device)
    distance = (steps.unsqueeze(1) - steps).abs()
    slopes = 2.0 ** (-8.0 * powers / heads)
    return (-slopes.view(-1, 1, 1) * distance).to(x.dtype)


def distance_buckets(
    query: Tensor, key: Tensor, buckets: int, distance: int, causal: bool = False
) -> Tensor:
    """Return the bucket of each key's distance from each query: (T, S)."""
    held = torch.arange(key.shape[-2], device=key.device)
    after = held - torch.arange(query.shape[-2], device=key.device).unsqueeze(1)
    count = buckets if causal else buckets // 2
    edges = torch.tensor(bucket_edges(count, distance), device=key.device)
    far = after.neg().clamp(min=0) if causal else after.abs()
    places = torch.bucketize(far, edges, right=True)
    return places if causal else places + count * (after > 0)


def relative_bias(
    table: nn.Embedding, query: Tensor, key: Tensor, distance: int, causal: bool = False
) -> Tensor:
    """Return the number of each head for each distance: (B, heads, T, S)."""
    buckets = distance_buckets(query, key, table.num_embeddings, distance, causal)
    bias: Tensor = table(buckets)  # (T, S, heads)
    return bias.permute(2, 0, 1).expand(len(query), -1, -1, -1)


def relative_places(window: int) -> Tensor:
    """Return the row of the table for each pair of positions: (window^2, window^2)."""
    side = torch.arange(window)
    rows, columns = torch.meshgrid(side, side, indexing="ij")
    rows, columns = rows.flatten(), columns.flatten()
    down = rows.unsqueeze(1) - rows + window - 1
    right = columns.unsqueeze(1) - columns + window - 1
    return down * (2 * window - 1) + right


def shifted_windows(height: int, width: int, window: int, shift: int) -> Tensor:
    """Say which positions were neighbours before the map was rolled.

    Returns (windows, 1, window^2, window^2).
    """
    down, right = torch.arange(height), torch.arange(width)
    rows = (down >= height - window).long() + (down >= height - shift)
    columns = (right >= width - window).long() + (right >= width - shift)
    area = (3 * rows.unsqueeze(1) + columns).unflatten(0, (-1, window))
    area = area.unflatten(-1, (-1, window)).transpose(1, 2).flatten(2).flatten(0, 1)
    return (area.unsqueeze(2) == area.unsqueeze(1)).unsqueeze(1)


def see_earlier(query: Tensor, key: Tensor) -> Tensor:
    """Say which keys come no later than a query: (T, S)."""
    every = query.new_ones(query.shape[-2], key.shape[-2], dtype=torch.bool)
    return every.tril()


def see_near(query: Tensor, key: Tensor, window: int) -> Tensor:
    """Say which keys are less than so many places from a query: (T, S)."""
    every = query.new_ones(query.shape[-2], key.shape[-2], dtype=torch.bool)
    return every.tril(window - 1).triu(1 - window)


def see_recent(query: Tensor, key: Tensor, window: int) -> Tensor:
    """Say which keys come less than so many places before a query, or at it: (T, S)."""
    every = query.new_ones(query.shape[-2], key.shape[-2], dtype=torch.bool)
    return every.tril().triu(1 - window)


def capped_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    cap: float,
    scale: float | None = None,
    bias: Tensor | None = None,
    seen: Tensor | None = None,
) -> Tensor:
    """Attention whose scores are bent into (-cap, cap) before anything is hidden."""
    factor = query.shape[-1] ** -0.5 if scale is None else scale
    scores = cap * torch.tanh(query @ key.mT * (factor / cap))
    if bias is not None:
        scores = scores + bias
    if seen is None:
        return scores.softmax(dim=-1) @ value
    weights = scores.masked_fill(~seen, torch.finfo(scores.dtype).min).softmax(dim=-1)
    return weights * seen @ value

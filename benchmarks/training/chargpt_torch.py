"""A character transformer after nanoGPT: `python chargpt_torch.py input.txt TENTHS`.

An epoch is a tenth of the steps: 30, and an evaluation of all windows of the rest.
"""

import math

import torch
import torch.nn.functional as F
from reading import COMPILED, Clock, arguments, characters
from torch import Tensor, nn

WIDTH, HEADS, DEPTH, CONTEXT, VOCAB, BATCH = 128, 4, 4, 64, 65, 12


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c_attn = nn.Linear(WIDTH, 3 * WIDTH)
        self.c_proj = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        rows, steps, _ = x.shape
        parts = self.c_attn(x).split(WIDTH, dim=2)
        q, k, v = (part.view(rows, steps, HEADS, -1).transpose(1, 2) for part in parts)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.c_proj(y.transpose(1, 2).contiguous().view(rows, steps, WIDTH))


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attn = Attention()
        self.mlp = nn.Sequential(
            nn.Linear(WIDTH, 4 * WIDTH), nn.GELU("tanh"), nn.Linear(4 * WIDTH, WIDTH)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.wte, self.wpe = nn.Embedding(VOCAB, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.h = nn.ModuleList([Block() for _ in range(DEPTH)])
        self.ln_f = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, VOCAB, bias=False)
        self.head.weight = self.wte.weight
        nn.init.normal_(self.wte.weight, std=0.02)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.wte(ids) + self.wpe(torch.arange(ids.shape[1]))
        for block in self.h:
            x = block(x)
        return self.head(self.ln_f(x))


path, tenths = arguments()
train, valid = (torch.from_numpy(part) for part in characters(path))
torch.manual_seed(0)
model = GPT()
decay = [p for p in model.parameters() if p.ndim >= 2]
plain = [p for p in model.parameters() if p.ndim < 2]
groups = [{"params": decay, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}]
if COMPILED:
    model = torch.compile(model)
optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.99), fused=True)
steps = 30 * tenths


def rate(step: int) -> float:
    if step <= 100:
        return 1e-3 * step / 100
    share = (step - 100) / max(1, steps - 100)
    return 1e-4 + 0.5 * (1 + math.cos(math.pi * share)) * (1e-3 - 1e-4)


def windows(ids: Tensor, starts: Tensor) -> Tensor:
    return torch.stack([ids[start : start + CONTEXT] for start in starts.tolist()])


clock = Clock()
for tenth in range(tenths):
    model.train()
    losses = []
    for step in range(30 * tenth + 1, 30 * tenth + 31):
        for group in optimizer.param_groups:
            group["lr"] = rate(step)
        starts = torch.randint(len(train) - CONTEXT - 1, (BATCH,))
        x, y = windows(train, starts), windows(train, starts + 1)
        loss = F.cross_entropy(model(x).view(-1, VOCAB), y.view(-1))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.detach())
    model.eval()
    with torch.inference_mode():
        total = torch.zeros(())
        places = torch.arange(0, len(valid) - CONTEXT, 32)
        for starts in places.split(1000):
            logits = model(windows(valid, starts)).view(-1, VOCAB)
            target = windows(valid, starts + 1).view(-1)
            total += F.cross_entropy(logits, target, reduction="sum")
    scores = float(torch.stack(losses).mean()), float(total) / len(places) / CONTEXT
    clock.epoch()

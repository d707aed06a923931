"""Muon for matrices and kernels, AdamW for the rest; an average of the weights."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def orthogonalized(matrices: Tensor, steps: int = 4) -> Tensor:
    """Gives, for each of [B, m, n], the nearest matrix with singular values about one.

    Newton-Schulz as in Jordan et al. 2024, "Muon". All factors are polynomials of X X^T and commute, so the
    iteration runs on the short side alone and touches the long side twice.
    """
    a, b, c = NEWTON_SCHULZ
    x = matrices.mT if matrices.shape[-2] > matrices.shape[-1] else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    gram = x @ x.mT
    one = torch.eye(gram.shape[-1], device=x.device, dtype=x.dtype)
    whole = one
    for i in range(steps):
        factor = a * one + torch.baddbmm(b * gram, gram, gram, alpha=c)
        whole = factor @ whole
        if i < steps - 1:
            gram = factor @ (factor @ gram)
    x = whole @ x
    return x.mT if matrices.shape[-2] > matrices.shape[-1] else x


class Muon(torch.optim.Optimizer):
    """Momentum whose step is made orthogonal; a kernel [out, in, h, w] counts as a matrix [out, in*h*w]."""

    def __init__(self, params: Iterable[nn.Parameter], lr: float, momentum: float = 0.95, decay: float = 0.01) -> None:
        super().__init__(list(params), {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # we never pass a closure
        """Takes one step; parameters without a gradient stay."""
        for group in self.param_groups:
            alike: dict[torch.Size, list[nn.Parameter]] = {}
            for p in group["params"]:
                if p.grad is not None:
                    alike.setdefault(p.shape, []).append(p)
            for params in alike.values():
                self._step(group, params)

    def _step(self, group: dict[str, float], params: list[nn.Parameter]) -> None:
        """Steps parameters of one shape together."""
        grads = [p.grad for p in params if p.grad is not None]
        velocities = [self.state[p].setdefault("velocity", torch.zeros_like(p)) for p in params]
        torch._foreach_mul_(velocities, group["momentum"])
        torch._foreach_add_(velocities, grads)
        ahead = torch._foreach_add(grads, velocities, alpha=group["momentum"])
        shape = params[0].shape
        # In bfloat16, as Jordan et al. do: the result is as good, and 3.5 times sooner here.
        steps = orthogonalized(torch.stack([step.reshape(shape[0], -1) for step in ahead]).bfloat16()).float()
        scale = max(1.0, steps.shape[-2] / steps.shape[-1]) ** 0.5
        torch._foreach_mul_(params, 1 - group["lr"] * group["decay"])
        torch._foreach_add_(params, [step.reshape(shape) for step in steps], alpha=-group["lr"] * scale)


class Optimizer:
    """Both optimizers as one. `share` of `set_rate` multiplies every group's own rate."""

    def __init__(self, groups: list[tuple[nn.Module, float]], *, muon: float = 3e-3, adamw: float = 2e-3) -> None:
        matrices, others = [], []
        for module, factor in groups:
            for name, p in module.named_parameters():
                is_matrix = p.ndim >= 2 and min(p.shape[0], p[0].numel()) >= 8 and "embedding" not in name
                (matrices if is_matrix else others).append((p, factor))
        self.parts: list[torch.optim.Optimizer] = [
            _grouped(Muon, matrices, muon),
            _grouped(torch.optim.AdamW, others, adamw),
        ]
        self.params = [p for p, _ in matrices + others]

    def set_rate(self, share: float) -> None:
        """Sets every rate to `share` of its full value."""
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = group["full_lr"] * share

    def step(self) -> None:
        """Clips the gradient to norm 1, steps and clears."""
        torch.nn.utils.clip_grad_norm_(self.params, 1.0)
        for part in self.parts:
            part.step()
            part.zero_grad(set_to_none=True)

    def state(self) -> list[dict[str, object]]:
        """Gives what `load` takes."""
        return [part.state_dict() for part in self.parts]

    def load(self, state: list[dict[str, object]]) -> None:
        """Goes on from a saved state."""
        for part, saved in zip(self.parts, state, strict=True):
            part.load_state_dict(saved)


def _grouped(kind: type, pairs: list[tuple[nn.Parameter, float]], rate: float) -> torch.optim.Optimizer:
    optimizer = kind([p for p, _ in pairs] or [nn.Parameter(torch.zeros(1))], lr=rate)
    optimizer.param_groups.clear()
    for factor in sorted({f for _, f in pairs}):
        params = [p for p, f in pairs if f == factor]
        extra = {} if kind is Muon else {"betas": (0.9, 0.99), "weight_decay": 0.0, "fused": True}
        optimizer.add_param_group({"params": params, "lr": rate * factor, "full_lr": rate * factor, **extra})
    return optimizer


class Average:
    """An exponential moving average of several modules' weights (floats only)."""

    def __init__(self, modules: dict[str, nn.Module], decay: float = 0.999) -> None:
        self.decay = decay
        self.steps = 0
        self.weights = {n: {k: v.detach().clone() for k, v in m.state_dict().items()} for n, m in modules.items()}
        self._ours, self._theirs = [], []
        for name, module in modules.items():
            for key, value in module.state_dict().items():  # shares its memory with the module's own weights
                if value.is_floating_point():
                    self._ours.append(self.weights[name][key])
                    self._theirs.append(value)

    @torch.no_grad()
    def update(self) -> None:
        """Takes the present weights in; early on the average is shorter."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(self._ours, self._theirs, 1 - decay)

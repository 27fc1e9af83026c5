"""Losses. Each is a mean over the batch in the notation of its paper; teachers and memories are not differentiated."""

import torch
import torch.nn.functional as F
from torch import Tensor


def cross_entropy(logits: Tensor, target: Tensor, smoothing: float = 0.1) -> Tensor:
    """Cross-entropy against one-hot targets mixed with the uniform distribution.

    Args:
        logits: (N, C).
        target: classes (N,) int64.
        smoothing: share of the uniform distribution, 0 to 1.
    """
    return F.cross_entropy(logits, target, label_smoothing=smoothing)


def soft_cross_entropy(logits: Tensor, taught: Tensor) -> Tensor:
    """Cross-entropy against another net's softmax: -sum_c p_c log q_c.

    Args:
        logits: (N, C), which learn.
        taught: (N, C) logits of the other net; detached.
    """
    return -(taught.detach().softmax(1) * logits.log_softmax(1)).sum(1).mean()


def euclidean(features: Tensor) -> Tensor:
    """Pairwise Euclidean distances of (N, D), as (N, N); the gradient at distance zero is zero, not infinite."""
    norms = features.pow(2).sum(1)
    squared = norms[:, None] + norms[None, :] - 2 * features @ features.T
    return squared.clamp_min(1e-12).sqrt()


def hardest_pairs(distance: Tensor, label: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The farthest other image of an anchor's label and the nearest image of any other label.

    Args:
        distance: (N, N).
        label: (N,) int64.

    Returns:
        anchors, positives and negatives, (A,) indices each. Anchors without another positive or without a negative
        are left out, so A may be 0.
    """
    same = label[:, None] == label[None, :]
    other = same & ~torch.eye(len(label), dtype=torch.bool, device=label.device)
    positive = distance.detach().masked_fill(~other, -torch.inf).argmax(1)
    negative = distance.detach().masked_fill(same, torch.inf).argmin(1)
    anchors = torch.nonzero(other.any(1) & (~same).any(1)).squeeze(1)
    return anchors, positive[anchors], negative[anchors]


def triplet_hinge(features: Tensor, label: Tensor, margin: float = 0.3) -> Tensor:
    """Batch-hard triplet loss: mean over anchors of max(0, d+ - d- + margin); zero where no anchor has a pair."""
    each = triplet_each(features, label, margin)
    fit = each.isfinite()
    return each[fit].mean() if fit.any() else features.sum() * 0


def triplet_each(features: Tensor, label: Tensor, margin: float = 0.3) -> Tensor:
    """Each anchor's part of `triplet_hinge`, (N,); infinite for those without a pair."""
    distance = euclidean(features)
    anchors, positives, negatives = hardest_pairs(distance, label)
    each = F.relu(distance[anchors, positives] - distance[anchors, negatives] + margin)
    return features.new_full((len(label),), torch.inf).index_put((anchors,), each)


def cross_domain_triplet(features: Tensor, label: Tensor, margin: float = 0.3) -> Tensor:
    """The triplet loss of DIEN eq. 2: anchors and positives are the source's, negatives of both domains.

    Args:
        features: (N, D).
        label: (N,) int64, a source's identities from 0; negative = a picture of the target, a negative of all anchors.
        margin: m.
    """
    alone = -1 - torch.arange(len(label), device=label.device)  # nobody's positive, so no anchor
    return triplet_hinge(features, torch.where(label < 0, alone, label), margin)


def mean_distance(source: Tensor, target: Tensor) -> Tensor:
    """Euclidean distance of two domains' mean features, (S, D) and (T, D): the second term of DIEN eq. 2."""
    return (source.mean(0) - target.mean(0)).norm()


def softmax_triplet(features: Tensor, label: Tensor) -> Tensor:
    """Batch-hard triplet loss without a margin: mean over anchors of -log(exp d- / (exp d+ + exp d-)) (MMT, ABMT).

    Args:
        features: (N, D). label: (N,) int64. Anchors without another positive are left out.
    """
    distance = euclidean(features)
    anchors, positives, negatives = hardest_pairs(distance, label)
    if not len(anchors):
        return features.sum() * 0
    return F.softplus(distance[anchors, positives] - distance[anchors, negatives]).mean()


def soft_softmax_triplet(student: Tensor, teacher: Tensor, label: Tensor) -> Tensor:
    """Collaborative triplet loss, SMCR eq. 13-15, as a cross-entropy of two softmaxes over (d+, d-).

    As printed, eq. 14 is no distribution. We take S = softmax(d+, d-) and both of its terms, with the teacher's S as
    the target: -(S_t[+] log S_s[+] + S_t[-] log S_s[-]). Pairs are mined on the student and the teacher is read at
    the same pairs.

    Args:
        student: features (N, D) that learn.
        teacher: features (N, D') of the other branch's mean encoder; detached.
        label: (N,) int64. Anchors without another positive are left out.
    """
    mine, theirs = euclidean(student), euclidean(teacher.detach())
    anchors, positives, negatives = hardest_pairs(mine, label)
    if not len(anchors):
        return student.sum() * 0
    pairs = torch.stack([mine[anchors, positives], mine[anchors, negatives]], 1)
    wanted = torch.stack([theirs[anchors, positives], theirs[anchors, negatives]], 1)
    return -(wanted.softmax(1) * pairs.log_softmax(1)).sum(1).mean()


def memory_contrastive(features: Tensor, entries: Tensor, target: Tensor, temperature: float) -> Tensor:
    """Contrast against a memory, SMCR eq. 4-5 and 9-10: softmax over all classes of <f, y_j> / tau. ICE eq. 6.5.

    Args:
        features: (N, D), unit norm; ICE's are not.
        entries: (C, D), a row per class; not differentiated.
        target: class of each feature, (N,) int64.
        temperature: tau.
    """
    return F.cross_entropy(features @ entries.detach().T / temperature, target)


def view_invariant(positive: Tensor, negative: Tensor, temperature: float) -> Tensor:
    """A positive against negatives, GCL eq. 5.6-5.8: mean of log(1 + sum exp(negative) / exp(positive)).

    Args:
        positive: (B,) cosines. negative: (B, K) cosines, -inf where there is none.
    """
    positive = positive[:, None]
    every = torch.cat([positive, negative], 1) / temperature
    return (every.logsumexp(1) - positive[:, 0] / temperature).mean()


def _cosines(features: Tensor, others: Tensor, temperature: float) -> Tensor:
    """Cosines over tau, (N, P); the others are not differentiated."""
    return F.normalize(features) @ F.normalize(others.detach()).T / temperature


def _nearest(similar: Tensor, negative: Tensor, count: int) -> Tensor:
    """The most similar of the negatives, at most (N, count), -inf where an image has fewer."""
    most = min(count, int(negative.sum(1).max())) if negative.numel() else 0
    return similar.masked_fill(~negative, -torch.inf).topk(most, 1).values


def nearest_contrastive(
    features: Tensor, proxies: Tensor, positive: Tensor, negative: Tensor, nearest: int, temperature: float
) -> Tensor:
    """Each positive proxy against the nearest negative ones, by cosines: ICE eq. 6.7.

    Args:
        features: (N, D).
        proxies: (P, D); not differentiated.
        positive, negative: (N, P) bool; the mean over an image's positives counts, zero where it has none.
        nearest: N_neg: how many negatives, where there are so many.
        temperature: tau.
    """
    similar = _cosines(features, proxies, temperature)
    against = _nearest(similar, negative, nearest).logsumexp(1, keepdim=True)
    each = torch.logaddexp(similar, against) - similar
    share = positive / positive.sum(1, keepdim=True).clamp_min(1)
    return (each * share).sum(1).mean()


def proxy_cross_entropy(features: Tensor, proxies: Tensor, target: Tensor, among: Tensor, temperature: float) -> Tensor:
    """Each image's proxy against some others, by cosines: CAP's loss within cameras.

    Args:
        features: (N, D).
        proxies: (P, D); not differentiated.
        target: proxy of each image, (N,) int64.
        among: (N, P) bool: which proxies count for an image, its own among them.
        temperature: tau.

    Returns:
        (N,).
    """
    similar = _cosines(features, proxies, temperature)
    return F.cross_entropy(similar.masked_fill(~among, -torch.inf), target, reduction="none")


def proxy_association(
    features: Tensor, proxies: Tensor, positive: Tensor, negative: Tensor, nearest: int, temperature: float
) -> Tensor:
    """All positive proxies against themselves and the nearest negative ones: CAP's loss between cameras.

    Args:
        features, proxies, positive, negative, nearest, temperature: as in `nearest_contrastive`.

    Returns:
        (N,); zero where an image has no positive.
    """
    similar = _cosines(features, proxies, temperature)
    fit = positive.any(1)
    against = _nearest(similar, negative, nearest)
    all_of_them = torch.cat([similar.masked_fill(~positive, -torch.inf), against], 1)[fit].logsumexp(1)
    mean = (similar * positive).sum(1)[fit] / positive.sum(1)[fit]
    return features.new_zeros(len(features)).masked_scatter(fit, all_of_them - mean)


def mean_by_group(values: Tensor, group: Tensor) -> Tensor:
    """The sum over groups of the mean of their values.

    Args:
        values: (N,). group: (N,) int64.
    """
    _, place, count = torch.unique(group, return_inverse=True, return_counts=True)
    return (values / count[place]).sum()


def hard_instance(
    features: Tensor, slow: Tensor, label: Tensor, temperature: float, all_negatives: bool = True
) -> Tensor:
    """The least similar positive of the batch against its negatives, by cosines: ICE eq. 6.9.

    Args:
        features: (N, D), which learn.
        slow: (N, D) of the momentum encoder, of the same images; detached. An image's own is among its positives.
        label: (N,) int64.
        temperature: tau.
        all_negatives: against all of them; else the most similar one (thesis Table 6.2).
    """
    similar = _cosines(features, slow, temperature)
    same = label[:, None] == label[None, :]
    hardest = similar.masked_fill(~same, torch.inf).min(1, keepdim=True).values
    others = similar.masked_fill(same, -torch.inf)
    if not all_negatives:
        others = others.max(1, keepdim=True).values
    return (torch.cat([hardest, others], 1).logsumexp(1) - hardest.squeeze(1)).mean()


def instance_consistency(
    features: Tensor, slow: Tensor, wanted: Tensor, temperature: float, squared: bool = False
) -> Tensor:
    """Similarity to the batch's images as it was before the pictures were changed: ICE eq. 6.10-6.12, KL(Q || P).

    The thesis prints KL(P || Q); we take Q, which is detached, as the target.

    Args:
        features: (N, D), which learn, of changed pictures.
        slow: (N, D) of the momentum encoder, of changed pictures; detached.
        wanted: (N, D) of the momentum encoder, of the pictures that Q comes from; detached.
        temperature: tau.
        squared: mean squared difference in place of the divergence (thesis Table 6.3).
    """
    log_p = _cosines(features, slow, temperature).log_softmax(1)
    q = _cosines(wanted.detach(), wanted, temperature).softmax(1)
    return (log_p.exp() - q).pow(2).mean() if squared else F.kl_div(log_p, q, reduction="batchmean")


def least_squares(verdict: Tensor, real: bool) -> Tensor:
    """LSGAN: mean squared distance of a discriminator's verdict from 1 (real) or 0 (made)."""
    return (verdict - float(real)).pow(2).mean()


def siamese_contrastive(left: Tensor, right: Tensor, same: bool, margin: float = 2.0) -> Tensor:
    """SPGAN's pair loss: squared distance where the pair is alike, squared shortfall from the margin where it is not.

    Args:
        left, right: features (N, D), paired row by row.
        same: whether the rows are alike.
        margin: Euclidean distance that unlike pairs should keep.
    """
    distance = (left - right).pow(2).sum(1).clamp_min(1e-12).sqrt()
    return distance.pow(2).mean() if same else F.relu(margin - distance).pow(2).mean()


def multi_label(similarity: Tensor, positive: Tensor, weight: float = 5.0, share: float = 0.01) -> Tensor:
    """Multi-label classification by a memory (MMCL): of each picture, weight x the mean of (1 - s)^2 over its classes
    plus the mean of (1 + s)^2 over the most similar of the others.

    Args:
        similarity: (B, N) of pictures and entries.
        positive: (B, N) bool, a picture's classes, at least one.
        weight: of the positives.
        share: of the others that count, by their similarity; at least one.
    """
    toward = ((1 - similarity).pow(2) * positive).sum(1) / positive.sum(1)
    others = (~positive).sum(1)
    hard = (share * others.double()).long().clamp(min=1).minimum(others)
    ranked = similarity.masked_fill(positive, -torch.inf).topk(max(1, int(hard.max())), 1).values
    counts = torch.arange(ranked.shape[1], device=ranked.device) < hard[:, None]
    away = (1 + ranked.masked_fill(~counts, -1)).pow(2).sum(1) / hard.clamp(min=1)
    return (weight * toward + away).mean()


def self_classification(views: Tensor, temperature: float) -> Tensor:
    """Local one-hot classification (JVTC): which picture of the batch a view is of; a class is the mean of its views.

    Args:
        views: (B, K, D), unit norm: K augmented views of each picture. Classes are differentiated, too.
        temperature: beta_1.
    """
    classes = F.normalize(views.mean(1), dim=1)
    target = torch.arange(len(views), device=views.device).repeat_interleave(views.shape[1])
    return F.cross_entropy(views.flatten(0, 1) @ classes.T / temperature, target)


def multi_class(logits: Tensor, same: Tensor) -> Tensor:
    """Global multi-class classification (JVTC): the mean log-probability of all entries of a picture's class.

    Args:
        logits: (B, N), of pictures against entries of a memory. same: (B, N) bool, at least one in each row.
    """
    return -((logits.log_softmax(1) * same).sum(1) / same.sum(1)).mean()


def non_saturating(verdict: Tensor, real: bool) -> Tensor:
    """The original GAN's loss of logits (B,): for a discriminator with what they are, for a maker with what they are to
    be taken for (RAE eq. 8, 13 and 16)."""
    return F.binary_cross_entropy_with_logits(verdict, torch.full_like(verdict, float(real)))

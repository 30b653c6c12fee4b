"""What is odd about a configuration upload whose form is right (docs/decisions 1); pure.

Unknown codes, credit codes that do not agree or fail their check digit, scopes that the data code
contradicts. None of it refuses the upload, unless a strict setting makes it.
"""

from __future__ import annotations

from collections.abc import Iterator

from nenghao.platform.dictionary import Vocabulary
from nenghao.platform.registry import Peer
from nenghao.standard import credit_code
from nenghao.standard.findings import Advice, AdviceKind, quote
from nenghao.standard.messages.config_data import CollectItemConfig, ConfigUpload, Enterprise


def of(request: ConfigUpload, peer: Peer, words: Vocabulary) -> list[Advice]:
    """Everything odd about the upload, in the order of the message."""
    return [
        *_check_digit("enterpriseCode", request.enterprise_code),
        *_items(request, words),
        *_enterprise(request.enterprise, peer, words),
        *_processes(request, words),
    ]


def _items(request: ConfigUpload, words: Vocabulary) -> Iterator[Advice]:
    industry = request.enterprise.industry_code
    seen: dict[tuple[str, str], int] = {}
    for index, item in enumerate(request.collect_item_config):
        path = f"collectItemConfig[{index}]"
        first = seen.setdefault((item.data_code, item.stat_type), index)
        if first != index:
            yield Advice(
                AdviceKind.DUPLICATE,
                path,
                item.data_code,
                f"与 collectItemConfig[{first}] 的数据项编码和采集频率相同，以最后一项为准",
            )
        yield from _item(path, item, industry, words)


def _item(path: str, item: CollectItemConfig, industry: str, words: Vocabulary) -> Iterator[Advice]:
    code = item.data_code
    if not words.knows_process(industry, item.process_code):
        yield Advice(
            AdviceKind.UNKNOWN_PROCESS,
            f"{path}.processCode",
            code,
            f"生产工序编码 {item.process_code} 未收录于行业 {industry}",
            quote(item.process_code),
        )
    if not words.knows_energy(item.energy_class_code, item.energy_type_code):
        yield Advice(
            AdviceKind.UNKNOWN_ENERGY_TYPE,
            f"{path}.energyTypeCode",
            code,
            f"能源分类与品种编码 {item.energy_class_code}{item.energy_type_code} 未收录",
            quote(item.energy_type_code),
        )
    if not words.knows_usage(item.data_usage_code):
        yield Advice(
            AdviceKind.UNKNOWN_USAGE,
            f"{path}.dataUsageCode",
            code,
            f"用途编码 {item.data_usage_code} 未收录",
            quote(item.data_usage_code),
        )
    implied = item.code.scope
    if item.scope is not None and item.scope != implied:
        yield Advice(
            AdviceKind.SCOPE_MISMATCH,
            f"{path}.scope",
            code,
            f"与数据项编码不符，编码所示为 {implied.value}（{implied.label}）",
            quote(item.scope),
        )
    low, high = item.data_value_min, item.data_value_max
    if low is not None and high is not None and low > high:
        yield Advice(
            AdviceKind.ODD_COMBINATION,
            f"{path}.dataValueMin",
            code,
            f"大于 dataValueMax（{high:g}）",
            quote(low),
        )


def _enterprise(unit: Enterprise, peer: Peer, words: Vocabulary) -> Iterator[Advice]:
    if unit.code != peer.credit_code:
        yield Advice(
            AdviceKind.CODE_MISMATCH,
            "enterprise.code",
            unit.code,
            f"与 enterpriseCode {peer.credit_code} 不一致",
            quote(unit.code),
        )
        yield from _check_digit("enterprise.code", unit.code)
    if unit.corporation_code not in (unit.code, peer.credit_code):
        yield from _check_digit("enterprise.corporationCode", unit.corporation_code)
    if not words.knows_unit_category(unit.type_code):
        yield Advice(
            AdviceKind.UNKNOWN_UNIT_CATEGORY,
            "enterprise.typeCode",
            unit.type_code,
            "单位类别编码未收录",
            quote(unit.type_code),
        )
    if not words.knows_industry(unit.industry_code):
        yield Advice(
            AdviceKind.UNKNOWN_INDUSTRY,
            "enterprise.industryCode",
            unit.industry_code,
            "行业代码未收录",
            quote(unit.industry_code),
        )
    if not words.knows_region(unit.region_code):
        yield Advice(
            AdviceKind.UNKNOWN_REGION,
            "enterprise.regionCode",
            unit.region_code,
            "行政区划代码未收录",
            quote(unit.region_code),
        )


def _processes(request: ConfigUpload, words: Vocabulary) -> Iterator[Advice]:
    industry = request.enterprise.industry_code
    named = [
        *((f"process[{i}]", row.process_code) for i, row in enumerate(request.process or ())),
        *(
            (f"processUnit[{i}]", row.process_code)
            for i, row in enumerate(request.process_unit or ())
        ),
    ]
    for path, code in named:
        if not words.knows_process(industry, code):
            yield Advice(
                AdviceKind.UNKNOWN_PROCESS,
                f"{path}.processCode",
                code,
                f"生产工序编码 {code} 未收录于行业 {industry}",
                quote(code),
            )


def _check_digit(path: str, code: str) -> Iterator[Advice]:
    if not credit_code.has_valid_check(code):
        yield Advice(AdviceKind.CHECK_DIGIT, path, code, "统一社会信用代码校验位不符", quote(code))

"""`nenghao device status`: how a device stands, from its directory alone."""

from __future__ import annotations

import os
from typing import Any

import msgspec

from nenghao.cli import output
from nenghao.cli.device_home import HomeOption, JsonOption, failures, opened
from nenghao.device import agent as agents
from nenghao.device import history, manual, notes, outbox
from nenghao.device.collection.health import ClockOffset, SourceHealth
from nenghao.device.home import DeviceHome, HomeBusy
from nenghao.device.state import SessionState
from nenghao.device.store import DeviceStore


def status(home: HomeOption, as_json: JsonOption = False) -> None:
    """显示端设备的状况：注册、版本、配置、队列、历史数据。"""
    with failures(), opened(home) as (device, store):
        state = agents.load_state(store)
        settings = device.settings(os.environ, output.warn)
        report: dict[str, Any] = {
            "platform": settings.platform,
            "unit": msgspec.to_builtins(device.unit()),
            "running": _is_running(device),
            **_registration(state),
            "configuration": _configuration_state(device, state),
            "troubles": state.troubles,
            **_collecting(store),
            **_stored(store),
        }
    if as_json:
        output.emit_json(report)
        return
    _say_status(report)


def _is_running(device: DeviceHome) -> bool:
    try:
        with device.lock(patience=0):
            return False
    except HomeBusy:
        return True


def _registration(state: SessionState) -> dict[str, Any]:
    given = state.registration
    return {
        "deviceId": None if given is None else given.device_id,
        "registeredAt": None if given is None else given.registered_at,
        "uploadTime": None if given is None else given.upload_time,
        "regVersion": state.reg_version,
        "dicVersion": state.dic_version or None,
        "lastVersionCheck": state.last_version_check,
        "lastUpload": state.last_upload,
        "nextUpload": state.next_upload,
    }


def _configuration_state(device: DeviceHome, state: SessionState) -> dict[str, str]:
    digest = device.configuration_digest()
    if digest is None:
        return {"state": "absent", "reason": ""}
    if digest == state.configuration:
        return {"state": "accepted", "reason": ""}
    if digest == state.refused_configuration:
        return {"state": "refused", "reason": state.configuration_reason}
    return {"state": "waiting", "reason": ""}


def _collecting(store: DeviceStore) -> dict[str, Any]:
    """What the running device noted: its sources, the clock, whether uploads are held back."""
    with store.read() as connection:
        health = notes.get(connection, notes.HEALTH, list[SourceHealth]) or []
        offset = notes.get(connection, notes.CLOCK, ClockOffset)
        paused = notes.is_paused(connection)
        entries = len(manual.waiting(connection))
    return {
        "paused": paused,
        "clockOffset": None if offset is None else offset.seconds,
        "clockMeasuredAt": None if offset is None else offset.measured_at,
        "manualWaiting": entries,
        "sources": [
            {
                "name": one.name,
                "type": one.type,
                "state": one.state,
                "label": one.label,
                "lastGood": None if one.last_good is None else one.last_good.replace(microsecond=0),
                "fault": f"{one.label}：{one.fault_text}" if one.state == "fault" else "",
                "remarks": list(one.noticed),
            }
            for one in health
        ],
    }


def _stored(store: DeviceStore) -> dict[str, Any]:
    with store.read() as connection:
        items = []
        for item in history.items(connection):
            first, last = history.span(connection, item) or (None, None)
            row = msgspec.to_builtins(item)
            items.append(
                {
                    "dataCode": row["data_code"],
                    "name": row["name"],
                    "inputType": row["input_type"],
                    "interval": row["interval"],
                    "firstDay": first,
                    "lastDay": last,
                }
            )
        counts = {str(state): number for state, number in outbox.counts(connection).items()}
        return {"queue": counts, "unpackedDays": history.dirty_days(connection), "items": items}


def _clock(report: dict[str, Any]) -> str:
    if report["clockOffset"] is None:
        return "尚未与平台核对"
    offset = ClockOffset(report["clockOffset"], report["clockMeasuredAt"])
    warning = "，请检查 NTP" if offset.is_wrong else ""
    return f"{offset.text}{warning}（{offset.measured_at} 核对）"


def _say_status(report: dict[str, Any]) -> None:
    unit, configured = report["unit"], report["configuration"]
    words = {
        "absent": "没有",
        "accepted": "平台已接收",
        "refused": "被平台拒收",
        "waiting": "待上传",
    }
    lines = {
        "用能单位": f"{unit['name']}（{unit['code']}），{unit['regionName']}",
        "端设备": f"第 {unit['device']} 台",
        "省级平台": report["platform"],
        "运行": "正在运行" if report["running"] else "未运行",
        "设备序列号": report["deviceId"] or "尚未注册",
        "上报时间点": report["uploadTime"] or "",
        "注册服务版本": report["regVersion"] or "",
        "基础数据版本": report["dicVersion"] or "",
        "最近版本校验": report["lastVersionCheck"] or "",
        "最近上传": report["lastUpload"] or "",
        "下次上传": report["nextUpload"] or "",
        "配置": " ".join((words[configured["state"]], configured["reason"])).strip(),
        "队列": f"等待 {report['queue']['queued']}，被拒收 {report['queue']['refused']}，"
        f"已接收 {report['queue']['accepted']}",
        "尚未打包": f"{report['unpackedDays']} 天，手工填报 {report['manualWaiting']} 个",
        "上传": "已暂停" if report["paused"] else "按计划",
        "时钟": _clock(report),
    }
    for name, value in lines.items():
        output.say(f"{name}：{value}")
    for trouble in report["troubles"]:
        output.say(f"上次未成功：{trouble}")
    then = "" if report["running"] else "停止运行时"
    for source in report["sources"]:
        state = source["fault"] or source["label"]
        last = f"最近成功 {source['lastGood']}" if source["lastGood"] else "尚未读到数据"
        output.say(f"来源 {source['name']}（{source['type']}）：{then}{state}，{last}")
        for remark in source["remarks"]:
            output.say(f"  提示：{remark}")
    for item in report["items"]:
        days = f"{item['firstDay']} 至 {item['lastDay']}" if item["firstDay"] else "还没有数据"
        output.say(f"数据项 {item['dataCode']} {item['name']}：每 {item['interval']} 分钟，{days}")
